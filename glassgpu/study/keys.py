"""The key of a stage: a hash of all that fixes its result.

Values are first described in plain JSON, by content. The description is hashed, and kept beside
the result as the record of the parameters. Nothing is pickled and no ``repr`` is trusted: two
equal runs must get one key on any machine, and two different ones never.
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

from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.errors import FileFormatError, InvalidInput
from glassgpu.study.result import Result

ALLOWED = (
    "numbers, strings, None, arrays, lists, mappings with names as keys, Path of a file (its content counts), xarray data, "
    "Snapshot, Ensemble, System and other dataclasses, descriptors, models, and results of stages"
)


def describe(value: Any, where: str) -> Any:
    """The value in plain JSON; arrays and files by their hash.

    Args:
        value: an input of a stage.
        where: its name, for messages.

    Raises:
        InvalidInput: the value holds something whose content cannot be told.
        FileFormatError: a Path names no file that can be read.
    """
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Result):
        return {"stage": [value.name, value.key]}
    if isinstance(value, Path):
        return {"file sha256": [value.name, _file_hash(value, where)]}
    if type(value) is np.ndarray and not value.dtype.hasobject:
        content = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        return {"array": [value.dtype.str, list(value.shape), hashlib.sha256(content.data).hexdigest()]}
    if isinstance(value, (list, tuple)):
        return [describe(v, f"{where}[{k}]") for k, v in enumerate(value)]
    if (xarray := sys.modules.get("xarray")) and isinstance(value, (xarray.DataArray, xarray.Dataset)):
        return {"object": type(value).__name__, "fields": _entries(value.to_dict(data="array"), where)}
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise InvalidInput(f"{where} has the keys {list(value)!r}; name its entries by strings")
        return {"mapping": _entries(value, where)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    elif isinstance(value, Descriptor):
        fields = vars(value)
    elif hasattr(value, "get_params") and not isinstance(value, type):
        fields = value.get_params(deep=False)
    else:
        raise InvalidInput(
            f"{where} is of type {type(value).__module__}.{type(value).__qualname__}, whose content cannot be told; a stage takes {ALLOWED}"
        )
    return {"object": type(value).__qualname__, "fields": _entries(fields, where)}


def stage_key(name: str, version: int, described: Mapping[str, Any]) -> str:
    """The key of a stage from its name, version and described inputs (in any order)."""
    text = json.dumps([name, version, described], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _entries(values: Mapping[Any, Any], where: str) -> dict[str, Any]:
    return {str(k): describe(v, f"{where}.{k}") for k, v in values.items()}


def _file_hash(path: Path, where: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileFormatError(
            f"{where}={str(path)!r} cannot be read ({error.strerror}); a Path stands for the content of a file"
        ) from error
