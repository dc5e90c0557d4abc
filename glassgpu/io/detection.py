"""What a file is, by its content, and by its name where the content does not tell."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glassgpu.errors import FileFormatError, InvalidInput
from glassgpu.io.bapst import read_bapst
from glassgpu.io.botan import read_botan
from glassgpu.io.datasets import load_ensemble, open_dataset
from glassgpu.io.extended_xyz import read_extxyz
from glassgpu.io.frames import IDENTITY, open_frames
from glassgpu.io.glassbench import read_glassbench
from glassgpu.io.gsd_files import read_gsd
from glassgpu.io.gsd_layout import MAGIC
from glassgpu.io.lammps_dump import read_lammps_dump
from glassgpu.npz import ZIP, names_in

HEAD = 4096  # bytes that are looked at
KNOWN = (
    "GSD (.gsd), pickles of Bapst et al. (.pickle), npz of BOTAN and of GlassBench, LAMMPS dumps in text (.dump, .lammpstrj), "
    "extended XYZ (.xyz, .extxyz), Zarr stores: ensembles, frames of trajectories, other datasets"
)
SUFFIXES: dict[str, Callable[[str], Any]] = {
    ".dump": read_lammps_dump,
    ".extxyz": read_extxyz,
    ".gsd": read_gsd,
    ".lammpstrj": read_lammps_dump,
    ".pickle": read_bapst,
    ".pkl": read_bapst,
    ".xyz": read_extxyz,
}


def read(path: str | os.PathLike) -> Any:
    """Read a file or a Zarr store of any format that is known here. Its own reader takes more options.

    Content is looked at first, the end of the name only where the content does not tell, such as in an empty file.
    Species are numbered from 0, whatever the file numbers from.

    Returns:
        What the reader of that format returns: a Snapshot or a list of them (``read_gsd``, ``read_lammps_dump``,
        ``read_extxyz``), an Ensemble (``read_bapst``, ``read_botan``, ``read_glassbench``, ``load_ensemble``), Frames
        (``open_frames``) or a Dataset (``open_dataset``).

    Raises:
        FileFormatError: none of the formats known, which the message lists; or as the reader of the format found.
        ForbiddenPickle: a pickle that asks for anything but arrays; nothing of it was run.
        InvalidInput: no name of a file.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidInput(f"path={path!r}: give the name of one file or store")
    return reader_of(path)(os.fspath(path))


def reader_of(path: str | os.PathLike) -> Callable[[str], Any]:
    """The function that reads a file or a store.

    Raises:
        FileFormatError: there is none, or nothing there to read.
    """
    place = Path(path)
    if place.is_dir():
        return _of_folder(place)
    try:
        with open(place, "rb") as file:
            start = file.read(HEAD)
    except OSError as error:
        raise FileFormatError(f"{path!s} cannot be read ({error.strerror or error})") from error
    found = _of_content(place, start) or SUFFIXES.get(place.suffix.lower())
    if found is None:
        raise FileFormatError(f"{path!s} is of no format known here, neither by its content nor by its name. Known are {KNOWN}")
    return found


def _of_folder(path: Path) -> Callable[[str], Any]:
    if (path / ".zgroup").exists():
        return open_dataset
    try:
        attributes = json.loads((path / "zarr.json").read_text())["attributes"]
        if IDENTITY in attributes:
            return open_frames
    except FileNotFoundError:
        raise FileFormatError(f"{path} is a folder, but no Zarr store. Known are {KNOWN}") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return open_dataset  # which tells what is wrong with it
    return load_ensemble if (path / "propensity").is_dir() and (path / "positions").is_dir() else open_dataset


def _of_content(path: Path, start: bytes) -> Callable[[str], Any] | None:
    if start.startswith(MAGIC):
        return read_gsd
    if start.startswith(ZIP):
        return _of_arrays(path)
    if start[:1] == b"\x80" and len(start) > 1 and start[1] <= pickle.HIGHEST_PROTOCOL:
        return read_bapst
    if start.lstrip().startswith(b"ITEM:"):
        return read_lammps_dump
    first = start.lstrip().split(b"\n", 1)[0].strip()
    return read_extxyz if first.isdigit() else None


def _of_arrays(path: Path) -> Callable[[str], Any]:
    names = set(names_in(path))
    if "md_prop" in names or {"box", "positions", "initial_positions"} <= names:
        return read_glassbench
    if {"positions", "initial_positions"} <= names:
        return read_botan
    if "about" in names:
        raise FileFormatError(f"{path} looks like a network of save_network: read it by glassgpu.models.load_network")
    raise FileFormatError(f"{path} is an npz file of {sorted(names)[:20]}, which no reader here knows. Known are {KNOWN}")
