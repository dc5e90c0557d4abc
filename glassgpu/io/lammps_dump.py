"""Text dumps of LAMMPS: ``dump ID group atom`` and ``dump ID group custom`` (LAMMPS documentation, "dump command")."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from glassgpu.errors import FileFormatError
from glassgpu.io.text_frames import (
    MOST_SPECIES,
    Lines,
    by_id,
    dimension_of,
    named_species,
    numbers,
    read_frames,
    same_systems,
    types_of,
    words,
)
from glassgpu.types import Snapshot

AXES = "xyz"
COORDINATES = ("{}", "{}s", "{}u", "{}su")  # wrapped, scaled, unwrapped, both, as LAMMPS calls them
BOX, ATOMS = "ITEM: BOX BOUNDS", "ITEM: ATOMS"


def read_lammps_dump(
    path: str | os.PathLike, frames: int | slice | Sequence[int] | None = None, species: Sequence[str | int] | None = None
) -> Snapshot | list[Snapshot]:
    """Snapshots from a LAMMPS dump in text.

    Positions are in the coordinates of the file, wrapped into [-L/2, L/2) about its origin, wherever the corner of the box
    is: they are the file's but for whole sides of the box. Of scaled coordinates, ``x = xlo + xs (xhi - xlo)``. Particles
    are in ascending order of ``id``, which other frames share; without ids in the order of the file.

    Args:
        path: of the file.
        frames: as of ``read_gsd``.
        species: in the order in which the types shall be numbered, names as in the column ``element`` if there is one, or
            numbers as in the column ``type``. If not given, type t is numbered t - 1, so that the numbers do not depend on
            which frames are read; of a file without types, elements are numbered in sorted order; without either, all are 0.

    Returns:
        A Snapshot for a single frame, otherwise a list. Images, so that positions + images x box are the unwrapped ones of
        the file, where it has ``ix iy iz`` or unwrapped coordinates; velocities where it has ``vx vy vz``. In two dimensions
        if no z is stored or all particles have the same. A column of coordinates is chosen in the order x, xs, xu, xsu.

    Raises:
        FileFormatError: missing, truncated, no such dump, no coordinates, a tilted box, a boundary that is not periodic, an
            id twice, NaN, or frames of different systems in one list.
        InvalidInput: a frame that the file does not have.
        UnknownSpecies: a type of the file is not in ``species``.
    """
    names = named_species(species)
    read, many = read_frames(path, frames, _pass, lambda lines: _frame(lines, names is not None))
    found = [(snapshot, kinds) for snapshot, kinds in read]
    texts = [kinds for _, kinds in found if not isinstance(kinds, np.ndarray)]
    types = iter(types_of(texts, names))
    snapshots = []
    for snapshot, kinds in found:
        numbered = kinds if isinstance(kinds, np.ndarray) else next(types)
        snapshots.append(Snapshot(snapshot.positions, numbered, snapshot.box, snapshot.velocities, snapshot.images))
    same_systems(snapshots, path)
    return snapshots if many else snapshots[0]


def _header(lines: Lines) -> tuple[int, list[str], list[str], list[str]] | None:
    """Number of particles, what the line of the box says, its three lines, and the columns; None at the end of the file."""
    if lines.blank():
        return None
    count, flags, bounds = 0, None, []
    while True:
        line = lines.needed("the head of a frame")
        if line.startswith("ITEM: NUMBER OF ATOMS"):
            count = lines.count("number of atoms")
        elif line.startswith(BOX):
            flags, bounds = line.removeprefix(BOX).split(), [lines.needed("the box") for _ in AXES]
        elif line.startswith(ATOMS):
            if not count or flags is None:
                raise FileFormatError(f"line {lines.number}: particles before their number and the box")
            return count, flags, bounds, line.removeprefix(ATOMS).split()
        elif line.startswith("ITEM: "):  # TIMESTEP, UNITS, TIME, and what a later version may add
            lines.needed("an item")
        else:
            raise FileFormatError(f"line {lines.number}: {line[:40]!r} where an ITEM of a LAMMPS dump in text should be")


def _pass(lines: Lines) -> bool:
    head = _header(lines)
    if head is not None:
        lines.skip(head[0], "particles")
    return head is not None


def _frame(lines: Lines, by_name: bool) -> tuple[Snapshot, np.ndarray | list[str]]:
    """A snapshot whose types are to be replaced, and its types or what its species are called."""
    head = _header(lines)
    assert head is not None
    n, flags, bounds, columns = head
    if len(set(columns)) < len(columns):
        raise FileFormatError(f"a column twice: {' '.join(columns)[:200]}")
    place = {name: k for k, name in enumerate(columns)}
    low, high = _bounds(flags, bounds)
    rows = by_id(lines.rows(n, len(columns)), place.get("id"))
    ways = {axis: next((way for way in COORDINATES if way.format(axis) in place), None) for axis in AXES}
    if ways["x"] is None or ways["y"] is None:
        raise FileFormatError(f"no coordinates; the columns are {' '.join(columns)[:200]}")
    position = np.stack([_coordinate(rows, place, way, k, low, high) for k, way in enumerate(ways.values()) if way is not None], axis=1)
    d = dimension_of(position[:, 2] if position.shape[1] == 3 else None)
    _periodic(flags, d)
    unwrapped = {way in ("{}u", "{}su") for way in list(ways.values())[:d]}
    if len(unwrapped) > 1:
        raise FileFormatError("some coordinates are wrapped, others unwrapped; give all in one way")
    images = np.zeros((n, d), np.int32) if unwrapped == {True} else None
    if images is None and all(f"i{axis}" in place for axis in AXES[:d]):
        images = numbers("ix iy iz", rows, [place[f"i{axis}"] for axis in AXES[:d]])
    velocities = [place[f"v{axis}"] for axis in AXES[:d] if f"v{axis}" in place]
    velocity = numbers("vx vy vz", rows, velocities) if len(velocities) == d else None
    snapshot = Snapshot(position[:, :d], np.zeros(n, np.int32), (high - low)[:d], velocity, images)
    return snapshot, _kinds(rows, place, by_name)


def _bounds(flags: list[str], bounds: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(3,) lower and upper ends of the box."""
    if "abc" in flags:
        raise FileFormatError("a box of three vectors (triclinic/general); only rectangular boxes are known here")
    tilted = "xy" in flags
    if any(len(line.split()) != 2 + tilted for line in bounds):
        raise FileFormatError(f"the box is {bounds}; expected three lines of {2 + tilted} numbers")
    ends = numbers("the box", bounds, range(2 + tilted))
    if tilted and ends[:, 2].any():
        raise FileFormatError(f"the box is tilted (xy, xz, yz = {ends[:, 2].tolist()}); only rectangular boxes are known here")
    return ends[:, 0], ends[:, 1]


def _periodic(flags: list[str], d: int) -> None:
    """Old dumps do not tell."""
    ends = [flag for flag in flags if flag not in ("xy", "xz", "yz")]
    if ends and (len(ends) != 3 or any(flag != "pp" for flag in ends[:d])):
        raise FileFormatError(f"the boundaries are {' '.join(ends)[:40]!r}; only periodic ones (pp) are known here")


def _coordinate(rows: list[str], place: dict[str, int], way: str, k: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    name = way.format(AXES[k])
    values = numbers(name, rows, [place[name]])[:, 0]
    return low[k] + values * (high[k] - low[k]) if "s" in way else values


def _kinds(rows: list[str], place: dict[str, int], by_name: bool) -> np.ndarray | list[str]:
    """Types from 0, or what the species are called."""
    if "element" in place and (by_name or "type" not in place):
        return words(rows, place["element"])
    if "type" not in place:
        return np.zeros(len(rows), np.int32)
    if by_name:
        return words(rows, place["type"])
    types = numbers("type", rows, [place["type"]])[:, 0]
    if types.min() < 1 or types.max() > MOST_SPECIES or (types != np.rint(types)).any():
        raise FileFormatError(f"types from {types.min():g} to {types.max():g}; LAMMPS numbers them 1, 2, ..., up to {MOST_SPECIES} here")
    return types.astype(np.int32) - 1
