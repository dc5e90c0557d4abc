"""Studies: folders of stages that are run once, stored, and continued after anything."""

from glassgpu.study.pieces import Pieces
from glassgpu.study.stages import Result, Study

__all__ = ["Pieces", "Result", "Study"]
