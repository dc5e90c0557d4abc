"""Data from elsewhere, and files for other programs."""

from glassgpu.io.bapst import read_bapst
from glassgpu.io.botan import read_botan
from glassgpu.io.columns import write_columns
from glassgpu.io.datasets import load_ensemble, open_dataset, save_dataset
from glassgpu.io.ensembles import ensemble_dataset, ensemble_from
from glassgpu.io.frames import Frames, open_frames
from glassgpu.io.gsd_files import read_gsd, write_gsd
from glassgpu.names import explain_missing

__all__ = [
    "Frames",
    "ensemble_dataset",
    "ensemble_from",
    "load_ensemble",
    "open_dataset",
    "open_frames",
    "read_bapst",
    "read_botan",
    "read_gsd",
    "save_dataset",
    "write_columns",
    "write_gsd",
]

explain_missing(globals())
