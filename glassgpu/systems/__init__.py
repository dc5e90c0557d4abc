"""The glass formers, one file each."""

from glassgpu.names import explain_missing
from glassgpu.systems.hard_spheres import hard_spheres
from glassgpu.systems.kob_andersen import kob_andersen
from glassgpu.systems.system import System
from glassgpu.systems.ternary_2d import ternary_2d

__all__ = ["System", "hard_spheres", "kob_andersen", "ternary_2d"]

explain_missing(globals())
