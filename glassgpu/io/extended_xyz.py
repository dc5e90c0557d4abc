"""Extended XYZ: the number of particles, a line of ``key=value``, a line for each particle (github.com/libAtoms/extxyz, README)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import FileFormatError, InvalidInput
from glassgpu.io.text_frames import Lines, by_id, dimension_of, named_species, numbers, read_frames, same_systems, types_of, words
from glassgpu.types import Snapshot

PLAIN = "species:S:1:pos:R:3"  # of files without Properties
VELOCITIES = ("vel", "velo", "velocity", "velocities")
SPECIES = ("species", "type", "Z", "numbers")  # the first of these that the file has
ENTRY = re.compile(r"""([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|\{([^}]*)\}|\[([^\]]*)\]|(\S+))""")
TRUE, FALSE = ("T", "1", "TRUE"), ("F", "0", "FALSE")


class _Read(NamedTuple):
    position: np.ndarray
    box: np.ndarray
    velocity: np.ndarray | None
    names: list[str]


def read_extxyz(
    path: str | os.PathLike,
    frames: int | slice | Sequence[int] | None = None,
    species: Sequence[str | int] | None = None,
    box: ArrayLike | None = None,
) -> Snapshot | list[Snapshot]:
    """Snapshots from an extended XYZ file, or from a plain one if the box is given.

    Positions are in the coordinates of the file, wrapped into [-L/2, L/2) about its origin: they are the file's but for
    whole sides of the box. Particles are in the order of the file, or of ``id`` if it has that column. Species can have
    any name: ``A``, ``B``, elements, numbers.

    Args:
        path: of the file.
        frames: as of ``read_gsd``.
        species: names in the order in which the types shall be numbered. If not given, those of the frames read are
            numbered in sorted order, numbers before words.
        box: (d,) sides of a file whose frames tell none [length].

    Returns:
        A Snapshot for a single frame, otherwise a list. Velocities where the file has a column ``vel``, ``velo``,
        ``velocity`` or ``velocities``; images are None, for the format has none. In two dimensions if positions have two
        numbers or all particles have the same z.

    Raises:
        FileFormatError: missing, truncated, no such file, a tilted box or none, ``pbc`` that is not periodic, an id
            twice, NaN, or frames of different systems in one list.
        InvalidInput: a frame that the file does not have, or a box that does not fit.
        UnknownSpecies: a species of the file is not in ``species``.
    """
    names = named_species(species)
    given = None if box is None else validate.array("box", box, np.float64, (None,))
    if given is not None and (len(given) not in (2, 3) or not (given > 0).all()):
        raise InvalidInput(f"box={given.tolist()}: give two or three sides above 0")
    read, many = read_frames(path, frames, _pass, lambda lines: _frame(lines, given))
    types = types_of([frame.names for frame in read], names)
    snapshots = [Snapshot(frame.position, kind, frame.box, frame.velocity) for frame, kind in zip(read, types, strict=True)]
    same_systems(snapshots, path)
    return snapshots if many else snapshots[0]


def _pass(lines: Lines) -> bool:
    if lines.blank():
        return False
    count = lines.count("number of particles")
    lines.skip(count + 1, "lines of a frame")
    return True


def _frame(lines: Lines, box: np.ndarray | None) -> _Read:
    lines.blank()
    n, about = lines.count("number of particles"), _about(lines.needed("what a frame tells of itself"))
    places, width = _columns(about.get("properties", PLAIN))
    if "pos" not in places:
        raise FileFormatError(f"no column pos; there are {', '.join(places)[:200]}")
    rows = by_id(lines.rows(n, width), places.get("id", [None])[0])
    position = numbers("pos", rows, places["pos"])
    if position.shape[1] not in (2, 3):
        raise FileFormatError(f"positions have {position.shape[1]} numbers; expected 2 or 3")
    d = dimension_of(position[:, 2] if position.shape[1] == 3 else None)
    sides = _sides(about, box, d)
    moving = next((places[name] for name in VELOCITIES if name in places), None)
    velocity = None if moving is None else numbers("velocities", rows, moving)
    if velocity is not None and velocity.shape[1] < d:
        raise FileFormatError(f"velocities have {velocity.shape[1]} numbers in {d} dimensions")
    kind = next((places[name][0] for name in SPECIES if name in places), None)
    Snapshot(position[:, :d], np.zeros(n, np.int32), sides)  # whatever is wrong with it is told with the number of the frame
    return _Read(position[:, :d], sides, None if velocity is None else velocity[:, :d], ["0"] * n if kind is None else words(rows, kind))


def _about(line: str) -> dict[str, str]:
    """Values by name in small letters."""
    return {found[1].lower(): next(text for text in found.groups()[1:] if text is not None) for found in ENTRY.finditer(line)}


def _columns(properties: str) -> tuple[dict[str, list[int]], int]:
    """Places of each property's columns, and how many columns there are."""
    parts = properties.split(":")
    places: dict[str, list[int]] = {}
    width = 0
    for name, kind, count in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
        if kind not in ("S", "R", "I", "L") or not (count.isascii() and count.isdigit() and 0 < len(count) < 5) or name in places:
            raise FileFormatError(f"Properties={properties[:200]!r}: expected name:S, R, I or L:columns, each name once")
        places[name] = list(range(width, width + int(count)))
        width += int(count)
    if len(parts) % 3 or any(not columns for columns in places.values()):
        raise FileFormatError(f"Properties={properties[:200]!r}: expected name:kind:columns, again and again")
    return places, width


def _sides(about: dict[str, str], box: np.ndarray | None, d: int) -> np.ndarray:
    if "lattice" not in about:
        if box is None:
            raise FileFormatError("it tells no box (Lattice=...); give box=, the sides")
        if len(box) < d:
            raise InvalidInput(f"box={box.tolist()} of {len(box)} sides for particles in {d} dimensions")
        return box[:d]
    nine = about["lattice"].replace(",", " ")
    if len(nine.split()) != 9:
        raise FileFormatError(f"Lattice={about['lattice'][:200]!r}: expected nine numbers")
    lattice = numbers("Lattice", [nine], range(9)).reshape(3, 3)[:d, :d]
    if (lattice - np.diag(np.diag(lattice))).any():
        raise FileFormatError(
            f"the box is tilted (Lattice={about['lattice'][:200]!r}); only rectangular boxes along x, y, z are known here"
        )
    periodic = about.get("pbc", "T T T").replace(",", " ").upper().split()
    if any(word not in TRUE + FALSE for word in periodic) or len(periodic) != 3:
        raise FileFormatError(f"pbc={about['pbc'][:40]!r}: expected three of T and F")
    if any(word in FALSE for word in periodic[:d]):
        raise FileFormatError(f"pbc={about['pbc'][:40]!r}; only boxes that are periodic in every direction are known here")
    return np.diag(lattice)
