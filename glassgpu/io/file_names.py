"""What users name as files, one or several."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from glassgpu.errors import FileFormatError, InvalidInput
from glassgpu.types import Snapshot


def file_names(path: str | os.PathLike | Sequence[str | os.PathLike]) -> tuple[list[str], bool]:
    """A list of names, and whether a sequence was given.

    Raises:
        InvalidInput: no name, or something else.
    """
    if isinstance(path, (str, os.PathLike)):
        return [os.fspath(path)], False
    paths = list(path) if isinstance(path, Iterable) else [path]
    if not paths or not all(isinstance(p, (str, os.PathLike)) for p in paths):
        raise InvalidInput(f"path={path!r}: give a file name, or a list of at least one")
    return [os.fspath(p) for p in paths], True


def same_shapes(paths: Sequence[str], snapshots: Sequence[Snapshot]) -> None:
    """Files of one configuration axis must hold as many particles each.

    Raises:
        FileFormatError
    """
    for path, snapshot in zip(paths, snapshots, strict=True):
        if snapshot.positions.shape != snapshots[0].positions.shape:
            raise FileFormatError(
                f"{paths[0]} holds {snapshots[0].n} particles and {path} holds {snapshot.n}; read files of different systems one by one"
            )
