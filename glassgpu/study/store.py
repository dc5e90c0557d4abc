"""What a stage returned, on disk: a folder with ``stage.json`` and ``arrays.npz``, and ``files`` where a stage wrote some itself.

``write_arrays`` and ``read_arrays`` alone know the format of the arrays. All else is a tree in
JSON that names them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu.errors import FileFormatError, InvalidInput
from glassgpu.npz import load_npz
from glassgpu.types import Ensemble, Snapshot

FORMAT = 1
FIELDS: dict[str, Any] = {
    "name": str,
    "key": str,
    "seconds": (int, float),
    "provenance": dict,
    "values": dict,
}  # of a record, that are read
RECORD, ARRAYS, FILES = "stage.json", "arrays.npz", "files"
CLASSES = {"Snapshot": Snapshot, "Ensemble": Ensemble}


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays by name, none of them of objects."""
    with open(folder / ARRAYS, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """What ``write_arrays`` wrote; each array is checked against its checksum (CRC-32 of zip)."""
    return load_npz(folder / ARRAYS)


def write_result(folder: Path, record: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write a stage's record and values into an existing folder that nobody reads yet."""
    arrays: dict[str, np.ndarray] = {}
    tree = _plain(values, "", arrays)
    write_arrays(folder, arrays)
    whole = {"format": FORMAT, **record, "values": tree}
    (folder / RECORD).write_text(json.dumps({**whole, "checksum": _checksum(whole)}, indent=1))


def read_record(folder: Path, fields: Mapping[str, Any] = FIELDS) -> dict[str, Any]:
    """What was recorded with a result: of a stage its name, key, version, parameters, seconds, provenance.

    Raises:
        FileFormatError: damaged; the message names the folder to delete.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        if record.pop("checksum") != _checksum(record):
            raise ValueError(f"{RECORD} does not match its checksum")
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']}, this version reads {FORMAT}")
        wrong = [name for name, kind in fields.items() if not isinstance(record[name], kind)]
        if wrong:
            raise ValueError(f"{wrong} are not what was written")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(folder, error) from error
    return record


def read_values(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """The values that ``write_result`` was given; numpy scalars and tuples as numbers and lists.

    Raises:
        FileFormatError: damaged; the message names the folder to delete.
    """
    try:
        return _rich(record["values"], read_arrays(folder))
    except Exception as error:  # a damaged zip file or tree can raise nearly anything
        raise damaged(folder, error) from error


def damaged(folder: Path, error: BaseException) -> FileFormatError:
    """The error for a stored result that cannot be read.

    It is not computed anew in silence: it may stand for days of work, a copy may exist, and a disk
    that loses data should be noticed.
    """
    return FileFormatError(
        f"the stored stage {folder} is damaged ({type(error).__name__}: {error}); "
        "restore it from a copy, or delete that folder to compute it again"
    )


def _checksum(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _plain(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value in JSON; its arrays go into ``arrays``, under a name that the JSON holds."""
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if type(value) is np.ndarray and not value.dtype.hasobject:
        name = f"{len(arrays):04d}{where}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, (list, tuple)):
        return [_plain(v, f"{where}.{k}", arrays) for k, v in enumerate(value)]
    kind = type(value).__name__
    if (xarray := sys.modules.get("xarray")) and isinstance(value, (xarray.DataArray, xarray.Dataset)):
        return {kind: _plain(value.to_dict(data="array"), where, arrays)}
    if isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
        return {"mapping": {k: _plain(v, f"{where}.{k}", arrays) for k, v in value.items()}}
    if type(value) in CLASSES.values():
        return {kind: _plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, where, arrays)}
    raise InvalidInput(
        f"the result {where[1:]!r} is of type {type(value).__module__}.{type(value).__qualname__}; a stage returns a mapping of names to "
        "NumPy arrays, numbers, strings, None, lists and mappings of these, xarray data, Snapshot or Ensemble"
    )


def _rich(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_rich(v, arrays) for v in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "array":
        return arrays[content]
    if kind == "mapping":
        return {k: _rich(v, arrays) for k, v in content.items()}
    fields = _rich(content, arrays)
    if kind in CLASSES:
        return CLASSES[kind](**fields)
    import xarray

    if kind == "Dataset":
        return xarray.Dataset.from_dict(fields)
    if kind == "DataArray":
        return xarray.DataArray.from_dict(fields)
    raise ValueError(f"unknown kind {kind}")
