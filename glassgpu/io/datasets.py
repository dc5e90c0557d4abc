"""Datasets in Zarr format 3, without consolidated metadata (which that format does not define).

A store that ``save_dataset`` wrote names its variables in the attribute ``glassgpu_variables`` and
holds every chunk, each with a checksum. So what is lost or damaged is noticed: Zarr alone takes a
variable that is not there for one that never was, and a chunk that is not there for fill values.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu.errors import FileFormatError, GlassGPUError, InvalidInput
from glassgpu.io.ensembles import ensemble_dataset, ensemble_from
from glassgpu.io.replaced import replaced
from glassgpu.io.zarr_stores import damaged, open_store
from glassgpu.types import Ensemble

if TYPE_CHECKING:
    import xarray

MARK = "glassgpu_variables"
CHUNK_BYTES = 2**25


def save_dataset(path: str | os.PathLike, data: xarray.Dataset | xarray.DataArray | Ensemble) -> None:
    """Write a dataset as one Zarr store; ``open_dataset`` gives it back value for value.

    Values (NaN too), dimensions, coordinates, names and attributes come back as they were, tuples
    in attributes as lists, strings as fixed-width Unicode. ``xarray.open_zarr(path,
    consolidated=False)`` reads the store as well. Each variable is one file, in inner chunks of
    about 32 MiB. A store that this function wrote is replaced when the new one is complete.

    Args:
        path: of the store, a folder.
        data: of any dims, in any units. A DataArray is stored under its name (``"data"`` if it has none); an Ensemble with
            its snapshots, as ``load_ensemble`` reads it.

    Raises:
        InvalidInput: not one of these, or holding what Zarr cannot store exactly, such as Python
            objects or attributes with a meaning of their own in files (``_FillValue``).
        OutputNotWritable: no permission, no space, or something else at the path.

    Example:
        >>> X = gg.descriptors.BehlerParrinello()(gg.systems.ternary_2d(n=300).random_snapshot(seed=1))
        >>> gg.io.save_dataset("columns.zarr", X)
        >>> gg.io.open_dataset("columns.zarr")["BehlerParrinello"].equals(X)
        True
    """
    import xarray

    if isinstance(data, Ensemble):
        data = ensemble_dataset(data)
    elif isinstance(data, xarray.DataArray):
        data = data.to_dataset(name=data.name if data.name is not None else "data")
    if not isinstance(data, xarray.Dataset):
        raise InvalidInput(f"expected an xarray Dataset or DataArray or an Ensemble, not {type(data).__name__}")
    raw = [name for name, variable in data.variables.items() if variable.dtype.kind in "SV"]
    if raw:
        raise InvalidInput(f"the variables {raw} hold bytes, which Zarr 3 does not define; decode them to strings or numbers")
    with replaced(path, _is_ours) as fresh:
        try:
            same = _write(fresh, data.drop_encoding())
        except (TypeError, ValueError, NotImplementedError) as error:
            raise InvalidInput(f"this dataset cannot be stored ({error}); use numbers, strings and plain attributes") from error
        if not same:
            raise InvalidInput(
                "this dataset would not come back as it is: rename attributes that have a meaning in files, such as _FillValue"
            )


def open_dataset(path: str | os.PathLike) -> xarray.Dataset:
    """A dataset from a Zarr store, read into memory. Larger ones: ``xarray.open_zarr``.

    Stores of other programs, of format 2 or 3, are read as xarray understands them.

    Returns:
        Dataset with the dims and dtypes of the store, whatever dims these are; in the units that its attributes say.

    Raises:
        FileFormatError: missing, no Zarr store, damaged, or incomplete.
        ForbiddenPickle: a store of format 2 asks for pickled objects.
    """
    import xarray

    try:
        _check_complete(open_store(path))
        data = xarray.open_zarr(os.fspath(path), consolidated=False, chunks=None).load()
        data.attrs.pop(MARK, None)
        return _with_strings(data.drop_encoding(), str)
    except GlassGPUError as error:
        raise type(error)(f"{path!s}: {error}") from error
    except Exception as error:  # a damaged store can raise nearly anything
        raise FileFormatError(f"{path!s}: {damaged(error)}") from error


def load_ensemble(path: str | os.PathLike) -> Ensemble:
    """The Ensemble that ``save_dataset`` stored.

    Raises:
        FileFormatError: as for ``open_dataset``, or it holds something else.
    """
    data = open_dataset(path)
    try:
        return ensemble_from(data)
    except (GlassGPUError, ValueError, TypeError, KeyError) as error:
        raise FileFormatError(f"{path!s} holds no Ensemble: {error}") from error


def _write(path: Path, data: xarray.Dataset) -> bool:
    """Write, and say whether everything but the values would come back the same."""
    import xarray
    from zarr.codecs import ZstdCodec

    data.attrs.pop(MARK, None)
    # Unicode of fixed width has no specification in Zarr 3 (zarr warns); its type "string" has one
    stored = _with_strings(data, np.dtypes.StringDType()).assign_attrs({MARK: sorted(map(str, data.variables))})
    encoding = {k: {"compressors": (ZstdCodec(level=3, checksum=True),), **_shards(v)} for k, v in stored.variables.items()}
    stored.to_zarr(path, mode="w-", zarr_format=3, consolidated=False, encoding=encoding, write_empty_chunks=True)
    written = xarray.open_zarr(path, consolidated=False, chunks=None)
    nothing = {dim: slice(0, 0) for dim in data.dims}
    return _with_strings(written.isel(nothing), str).identical(_with_strings(stored.isel(nothing), str))


def _with_strings(data: xarray.Dataset, kind: Any) -> xarray.Dataset:
    """Strings of whatever dtype in the dtype given."""
    found = {k: v.copy(data=v.values.astype(object).astype(kind)) for k, v in data.variables.items() if _holds_strings(v)}
    coordinates = {k: v for k, v in found.items() if k in data.coords}
    return data.assign({k: v for k, v in found.items() if k not in coordinates}).assign_coords(coordinates)


def _holds_strings(variable: xarray.Variable) -> bool:
    if variable.dtype.kind == "O":
        return all(isinstance(value, str) for value in variable.values.flat)
    return variable.dtype.kind in "UT"


def _shards(variable: xarray.Variable) -> dict[str, Any]:
    """One file for each variable; in more than one inner chunk where that would be large."""
    if not variable.ndim or not variable.size:
        return {}
    rows = max(1, CHUNK_BYTES * len(variable) // max(1, variable.nbytes))
    if rows >= len(variable):
        return {"chunks": variable.shape}
    return {"chunks": (rows, *variable.shape[1:]), "shards": (rows * math.ceil(len(variable) / rows), *variable.shape[1:])}


def _is_ours(path: Path) -> bool:
    """Only what ``save_dataset`` wrote is replaced: a folder can hold anything."""
    try:
        return MARK in json.loads((path / "zarr.json").read_text())["attributes"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _check_complete(group: Any) -> None:
    import zarr

    expected = group.attrs.get(MARK)
    if expected is None and not list(group.array_keys()):
        raise FileFormatError("no arrays at the top of this store; name one of the groups in it")
    for name in expected or ():
        array = group.get(name)
        if not isinstance(array, zarr.Array):
            raise FileFormatError(f"the variable {name!r} is lost; fetch or write the store again")
        if array.nchunks_initialized < array.nchunks:
            raise FileFormatError(f"chunks of the variable {name!r} are lost, or not yet written; fetch or write the store again")
