"""Arrays from npz files that nobody vouches for: no pickles, and nothing is allocated before its size has been checked."""

from __future__ import annotations

import io
import math
import os
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from glassgpu.errors import FileFormatError, ForbiddenPickle

ZIP = b"PK\x03\x04"  # how an npz file begins
EMPTY = b"PK\x05\x06"  # and one without arrays
DEFLATE = 1032  # no stream of that method grows by more
LARGEST_HEADER = 10_000  # of one array: what NumPy itself accepts


def load_npz(path: str | os.PathLike, keys: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays named, or all.

    An array takes the memory that its bytes in the file do, once unpacked; what claims to be larger than that is refused
    before any of it is read. Arrays of Python objects, which are pickles, are never loaded.

    Raises:
        ForbiddenPickle: one of the arrays asked for holds Python objects.
        FileFormatError: missing, truncated, damaged, no npz file, or without one of the keys; the message begins with the path.
    """
    with _opened(path) as (file, size):
        return _arrays(file, size, keys)


def names_in(path: str | os.PathLike) -> list[str]:
    """Names of the arrays of an npz file. Raises FileFormatError as ``load_npz``."""
    with _opened(path) as (file, _):
        return [_name(member) for member in file.infolist()]


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[tuple[zipfile.ZipFile, int]]:
    """The archive and its size in bytes; whatever is wrong with it, then or in the block, is told with its path."""
    try:
        with open(path, "rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            start = raw.read(len(ZIP))
            if start and not ZIP.startswith(start) and start != EMPTY:
                raise FileFormatError("it is not an npz file; glassgpu.io.read finds out what a file is")
            raw.seek(0)
            with zipfile.ZipFile(raw) as file, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of NumPy, about headers as Python 2 wrote them
                yield file, size
    except FileFormatError as error:
        raise type(error)(f"{path}: {error}") from error.__cause__
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged archive can raise nearly anything
        raise FileFormatError(f"{path} is damaged or truncated ({type(error).__name__}: {error}); fetch or write it again") from error


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _arrays(file: zipfile.ZipFile, size: int, keys: Iterable[str] | None) -> dict[str, np.ndarray]:
    members = {_name(member): member for member in file.infolist()}
    if len(members) < len(file.infolist()) or sum(member.compress_size for member in members.values()) > size:
        raise FileFormatError("it is damaged: two of its arrays have one name, or lie in one place; fetch or write it again")
    wanted = list(members if keys is None else keys)
    missing = [key for key in wanted if key not in members]
    if missing:
        raise FileFormatError(f"it lacks {missing}; it holds {list(members)}")
    return {key: _array(file, key, members[key]) for key in wanted}


def _array(file: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileFormatError(f"{name!r} is packed by a method that npz files do not use ({member.compress_type})")
    most = member.compress_size * (1 if member.compress_type == zipfile.ZIP_STORED else DEFLATE)
    if member.file_size > most:
        raise FileFormatError(f"{name!r} is damaged: {member.compress_size} bytes cannot hold the {member.file_size} it claims")
    with file.open(member) as stream:
        start = io.BytesIO(stream.read(min(member.file_size, LARGEST_HEADER + 16)))
    version = np.lib.format.read_magic(start)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(start, max_header_size=LARGEST_HEADER)
    if dtype.hasobject:
        raise ForbiddenPickle(f"{name!r} holds Python objects, which are stored as a pickle; only numbers and text are read")
    count = math.prod(int(extent) for extent in shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != member.file_size - start.tell() or count > max(1, member.file_size):
        raise FileFormatError(f"{name!r} claims {shape} of {dtype}, which is not what its {member.file_size} bytes hold; it is damaged")
    with file.open(member) as stream:
        found: Any = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=LARGEST_HEADER)
    return found
