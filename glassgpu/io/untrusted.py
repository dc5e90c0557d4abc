"""Files from elsewhere: opened with suspicion, checked before anything is computed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu.errors import FileFormatError, ForbiddenPickle, InvalidInput

ZIP = b"PK\x03\x04"  # how an npz file begins
_ALLOWED = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}


class _ArrayUnpickler(pickle.Unpickler):
    """Knows NumPy arrays and nothing else, whatever NumPy wrote them."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ForbiddenPickle(f"the pickle asks for {module}.{name}; only NumPy arrays are allowed, so it was not loaded")
        if name == "_reconstruct":
            from numpy._core.multiarray import _reconstruct

            return _reconstruct
        return getattr(np, name)


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


def load_pickle(path: str | os.PathLike) -> Any:
    """Plain containers, numbers and NumPy arrays from a pickle.

    Raises:
        ForbiddenPickle: it holds anything else.
        FileFormatError: it is missing, truncated or no pickle.
    """
    try:
        data = Path(path).read_bytes()
        if data.startswith(ZIP):
            raise FileFormatError(f"{path} is an npz file, not a pickle; read_botan reads those of the BOTAN data set")
        return _ArrayUnpickler(io.BytesIO(data), encoding="latin1").load()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from error
    except ForbiddenPickle as error:
        raise ForbiddenPickle(f"{path}: {error}") from None
    except FileFormatError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise FileFormatError(f"{path} is not a complete pickle ({type(error).__name__}: {error}); fetch it again") from error


def load_npz(path: str | os.PathLike, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays named, from an npz file without pickled objects.

    Raises:
        FileFormatError: missing, truncated, or without one of the keys.
    """
    try:
        with open(path, "rb") as raw:
            start = raw.read(len(ZIP))
        if start and not start.startswith(ZIP[: len(start)]):
            raise FileFormatError(f"{path} is not an npz file; read_bapst reads the pickles of Bapst et al.")
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            missing = [k for k in keys if k not in file.files]
            if missing:
                raise FileFormatError(f"{path} lacks {missing}; it holds {file.files}")
            return {k: file[k] for k in keys}
    except FileFormatError:
        raise
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error})") from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise FileFormatError(f"{path} is damaged or truncated ({error}); fetch it again") from error
