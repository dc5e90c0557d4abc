"""What text formats of trajectories share: frames are found without being read, tables become numbers, names become types.

LAMMPS dumps and extended XYZ are read here and not by a library. Of those that could be kept, ASE 3.29 refuses species
that are no chemical elements and forgets the corner of the box in scaled coordinates; chemfiles 0.10.4 takes the first
column of an XYZ file for the species whatever the file says, gives wrong places for mixed columns and tilted cells, loses
images, fails where ids have gaps, and crashes on a large id. The tests hold what they do read against these readers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from glassgpu import validate
from glassgpu.errors import FileFormatError, GlassGPUError, InvalidInput, UnknownSpecies
from glassgpu.types import Snapshot

LONGEST_LINE = 65_536
MOST_SPECIES = 1000


class Lines:
    """Lines of a text file, counted."""

    def __init__(self, file: BinaryIO):
        self._file, self.number = file, 0

    def blank(self) -> bool:
        """Pass empty lines; True at the end of the file."""
        while True:
            place = self._file.tell()
            line = self.next()
            if line is None:
                return True
            if line.strip():
                self._file.seek(place)
                self.number -= 1
                return False

    def next(self) -> str | None:
        """The next line without its end, or None at the end of the file.

        Raises:
            FileFormatError: too long, or no text.
        """
        line = self._file.readline(LONGEST_LINE)
        if not line:
            return None
        self.number += 1
        if len(line) == LONGEST_LINE or b"\0" in line:
            raise FileFormatError(f"line {self.number} is longer than {LONGEST_LINE} bytes, or no text")
        try:
            return line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise FileFormatError(f"line {self.number} is no text in UTF-8") from None

    def needed(self, what: str) -> str:
        """The next line, which must be there."""
        line = self.next()
        if line is None:
            raise FileFormatError(f"the file ends where {what} should be; it is truncated")
        return line

    def count(self, what: str) -> int:
        """The next line as a number of particles."""
        line = self.needed(what).strip()
        if not (line.isascii() and line.isdigit() and len(line) < 16 and int(line) >= 2):
            raise FileFormatError(f"line {self.number}: {line[:40]!r} is no {what}; a whole number of at least 2 is expected")
        return int(line)

    def skip(self, count: int, what: str) -> None:
        """Pass lines that must be there."""
        for k in range(count):
            if not self._file.readline(LONGEST_LINE):
                raise FileFormatError(f"the file ends after {k} of {count} {what}; it is truncated")
        self.number += count

    def rows(self, count: int, columns: int) -> list[str]:
        """The next lines, each of as many words."""
        out = []
        for k in range(count):
            line = self.next()
            if line is None:
                raise FileFormatError(f"the file ends after {k} of {count} particles; it is truncated")
            if len(line.split()) != columns:
                raise FileFormatError(f"line {self.number} has {len(line.split())} columns; expected {columns}")
            out.append(line)
        return out


def read_frames(
    path: str | os.PathLike, frames: Any, pass_frame: Callable[[Lines], bool], read_frame: Callable[[Lines], Any]
) -> tuple[list[Any], bool]:
    """What ``read_frame`` makes of each frame asked for, in the order asked for, and whether a list was asked for.

    Args:
        path: of the file.
        frames: a number, a slice, a sequence or None, as of ``read_gsd``.
        pass_frame: goes from the start of a frame to the next; False at the end of the file.
        read_frame: reads one from its start.

    Raises:
        FileFormatError, InvalidInput: the message begins with the path.
    """
    with _telling(path), open(path, "rb") as file:
        lines, starts = Lines(file), []
        while True:
            start = (file.tell(), lines.number)
            if not pass_frame(lines):
                break
            starts.append(start)
        if not starts:
            raise FileFormatError("it holds no frames")
        numbers, many = chosen(frames, len(starts))
        found: dict[int, Any] = {}
        for number in sorted(set(numbers)):
            place, lines.number = starts[number]
            file.seek(place)
            try:
                found[number] = read_frame(lines)
            except GlassGPUError as error:
                raise FileFormatError(f"frame {number}: {error}") from error
        return [found[number] for number in numbers], many


@contextmanager
def _telling(path: str | os.PathLike) -> Iterator[None]:
    try:
        yield
    except GlassGPUError as error:
        raise type(error)(f"{path!s}: {error}") from error
    except OSError as error:
        raise FileFormatError(f"{path!s} cannot be read ({error.strerror or error})") from error


def chosen(frames: Any, count: int) -> tuple[list[int], bool]:
    """Frame numbers from 0, and whether a list was asked for.

    Raises:
        InvalidInput: a frame that is not there, or none.
    """
    if frames is None:
        return list(range(count)), count > 1
    if isinstance(frames, slice):
        asked = list(range(count)[frames])
    else:
        asked = [validate.whole("frames", f, least=-count, most=count - 1) % count for f in np.atleast_1d(np.asarray(frames, object))]
    if not asked:
        raise InvalidInput(f"frames={frames!r} names none of the {count} frames")
    return asked, not isinstance(frames, (int, np.integer))


def numbers(name: str, rows: list[str], columns: Sequence[int]) -> np.ndarray:
    """(N, columns) float64 of lines that have as many words."""
    try:
        found = np.loadtxt(rows, np.float64, comments=None, usecols=columns, ndmin=2)
    except (ValueError, OverflowError) as error:
        raise FileFormatError(f"{name}: {error}") from None
    return validate.array(name, found, np.float64, (len(rows), len(columns)))


def words(rows: list[str], column: int) -> list[str]:
    """One word of each line."""
    return [row.split()[column] for row in rows]


def by_id(rows: list[str], column: int | None) -> list[str]:
    """Lines in ascending order of an id, if there is such a column."""
    if column is None:
        return rows
    ids = numbers("id", rows, [column])[:, 0]
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(twice):
        raise FileFormatError(f"the id {ids[order][twice[0]]:.0f} is given twice")
    return [rows[k] for k in order.tolist()]


def types_of(names: Sequence[Sequence[str]], species: Sequence[str] | None) -> list[np.ndarray]:
    """Types from 0 of the species that the particles of each frame are called by.

    If ``species`` is not given, names are numbered in sorted order of all frames, whole numbers before words and by value.

    Raises:
        UnknownSpecies: a name that is not in ``species``.
        FileFormatError: far too many species.
    """
    kinds = [np.unique(np.array(frame, str), return_inverse=True) for frame in names]
    found = sorted(
        {str(name) for kind, _ in kinds for name in kind}, key=lambda name: (not _is_whole(name), int(name) if _is_whole(name) else 0, name)
    )
    if species is None:
        if len(found) > MOST_SPECIES:
            raise FileFormatError(f"{len(found)} different species, such as {found[0]!r}; this is no column of species")
        species = found
    unknown = [name for name in found if name not in species]
    if unknown:
        raise UnknownSpecies(f"the file holds the species {unknown[:20]}, which are not in species={tuple(species)}")
    place = {name: k for k, name in enumerate(species)}
    return [np.array([place[str(name)] for name in kind], np.int32)[which] for kind, which in kinds]


def _is_whole(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 16


def named_species(species: Sequence[str | int] | None) -> list[str] | None:
    """What users give as ``species=``, as text.

    Raises:
        InvalidInput: no name, one twice, or something else than names and whole numbers.
    """
    if species is None:
        return None
    names = [species] if isinstance(species, str) else list(species) if isinstance(species, Sequence) else [None]
    if (
        not names
        or not all(isinstance(n, (str, int)) and not isinstance(n, bool) for n in names)
        or len({str(n) for n in names}) < len(names)
    ):
        raise InvalidInput(f"species={species!r}: give different names, or numbers as in the file, one for each type")
    return [str(name) for name in names]


def dimension_of(z: np.ndarray | None) -> int:
    """2 where all particles lie in one plane z, or there is no z."""
    return 2 if z is None or (z == z[0]).all() else 3


def same_systems(snapshots: list[Snapshot], path: str | os.PathLike) -> list[Snapshot]:
    """The snapshots, if they are of one shape.

    Raises:
        FileFormatError
    """
    shapes = sorted({s.positions.shape for s in snapshots})
    if len(shapes) > 1:
        found = ", ".join(f"{n} particles in {d} dimensions" for n, d in shapes)
        raise FileFormatError(f"{path!s} holds frames of different systems: {found}; ask for them one by one by frames=number")
    return snapshots
