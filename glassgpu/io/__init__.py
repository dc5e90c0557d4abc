"""Data from elsewhere, and files for other programs."""

from glassgpu.io.bapst import read_bapst
from glassgpu.io.botan import read_botan
from glassgpu.io.columns import write_columns
from glassgpu.io.datasets import load_ensemble, open_dataset, save_dataset
from glassgpu.io.detection import read
from glassgpu.io.ensembles import ensemble_dataset, ensemble_from
from glassgpu.io.extended_xyz import read_extxyz
from glassgpu.io.frames import Frames, open_frames
from glassgpu.io.glassbench import read_glassbench, read_glassbench_predictions, read_glassbench_states
from glassgpu.io.gsd_files import read_gsd, write_gsd
from glassgpu.io.lammps_dump import read_lammps_dump
from glassgpu.names import explain_missing

__all__ = [
    "Frames",
    "ensemble_dataset",
    "ensemble_from",
    "load_ensemble",
    "open_dataset",
    "open_frames",
    "read",
    "read_bapst",
    "read_botan",
    "read_extxyz",
    "read_glassbench",
    "read_glassbench_predictions",
    "read_glassbench_states",
    "read_gsd",
    "read_lammps_dump",
    "save_dataset",
    "write_columns",
    "write_gsd",
]

explain_missing(globals())
