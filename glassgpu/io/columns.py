"""Columns of many configurations, written to a Zarr store as they are computed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from glassgpu import __version__, validate
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.engines.checkpoint import differences, fingerprint, writable
from glassgpu.errors import CheckpointMismatch, FileFormatError, GlassGPUError, Interrupted, InvalidInput, OutputNotWritable
from glassgpu.executors import Executor, chosen, spread
from glassgpu.io.datasets import MARK
from glassgpu.io.zarr_stores import open_store
from glassgpu.locks import alone
from glassgpu.progress import Progress, bar
from glassgpu.types import Snapshot, as_snapshots

IDENTITY = "glassgpu_columns"  # attribute: what fixes the numbers of a store
BLOCK_BYTES = 32 << 20  # of the columns of one task


def write_columns(
    path: str | os.PathLike,
    descriptor: Descriptor,
    snapshots: Sequence[Snapshot],
    *,
    precision: str = "double",
    executor: Executor | None = None,
    progress: Progress = True,
) -> Path:
    """Compute a descriptor for many configurations, each written as soon as it is done.

    Memory holds the columns of a few configurations at a time. A store that is there is continued: configurations
    that it holds are not computed again, those that changed or were lost are. ``xarray.open_zarr(path,
    consolidated=False)`` reads it piece by piece, ``open_dataset`` the whole, once it is complete. It holds the
    columns under the descriptor's name, dims (configuration, particle, feature), NaN where not done, and
    ``snapshot``, a hash of each configuration, 0 where not done.

    Args:
        path: of the Zarr store, a folder.
        descriptor: such as ``descriptors.BehlerParrinello()``.
        snapshots: of one shape.
        precision: ``"double"``, or ``"single"`` for half the room on disk, whose rounding by 6e-8 hides how nearly
            dependent columns are.
        executor: workers, such as ``executors.Processes(4)`` or a Dask client's, which write to ``path`` themselves. Where those of
            another kind share a machine, give the descriptor ``threads=1``. None: that of ``executors.using``, else this process.
        progress: a bar (True), nothing (False), or a function told the fraction done.

    Returns:
        The path.

    Raises:
        CheckpointMismatch: the store holds columns of another descriptor or system, of another number of
            configurations or particles, in another precision, or by another version of this package.
        OutputNotWritable: something else stands at the path, or it cannot be written.
        FileFormatError: the store is damaged in what it says of itself; a damaged chunk is computed again.
        OutputBusy: another call writes to the store.
        BoxTooSmall, UnknownSpecies, InvalidInput, ParticlesOverlap: before anything is computed.
        Interrupted: the user stopped it; what is done is kept.

    Warns:
        SuspiciousInput: no particle is of a species.
    """
    if not isinstance(descriptor, Descriptor):
        raise InvalidInput(f"descriptor={descriptor!r}: give a descriptor, such as glassgpu.descriptors.BehlerParrinello()")
    validate.choice("precision", precision, ("single", "double"))
    executor = chosen(executor)
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidInput(f"path={path!r}: give the name of a folder")
    snapshots, _ = as_snapshots(snapshots)
    descriptor.check_all(snapshots)
    descriptor.note_absent(snapshots)
    target = Path(path).resolve()
    keys = np.array([_key(s) for s in snapshots], np.uint64)
    group = _store(target, descriptor, len(snapshots), snapshots[0].n, precision)
    with alone(target):  # columns and hash of a configuration are two files
        missing = np.flatnonzero(_keys_done(target, group, type(descriptor).__name__) != keys)
        size = max(1, BLOCK_BYTES // (snapshots[0].n * len(descriptor.columns) * 8))
        blocks = [missing[first : first + size] for first in range(0, len(missing), size)]
        tasks = ((target, descriptor, [snapshots[c] for c in block], block, keys[block]) for block in blocks)
        done = len(snapshots) - len(missing)
        try:
            with bar(len(snapshots), "configurations", progress, done) as advance:
                for _, written in spread(_write_block, tasks, executor):
                    advance(written)
                    done += written
        except KeyboardInterrupt:
            raise Interrupted(f"stopped after {done} of {len(snapshots)} configurations; the same call continues {target}") from None
    return target


def opened_columns(path: str | os.PathLike) -> tuple[Any, str]:
    """The columns of a store that ``write_columns`` has finished, (configuration, particle, feature), read as they are sliced, and a
    fingerprint of what they were computed from.

    Raises:
        FileFormatError: no such store, damaged, or configurations are not done.
    """
    identity = _identity(Path(path))
    if identity is None:
        raise FileFormatError(f"{path} is not there, or holds no columns that glassgpu.io.write_columns wrote; check the path")
    try:
        group = open_store(path, whole=("snapshot",))
        (name,) = set(group.attrs[MARK]) - {"feature", "snapshot"}
        keys = _keys_done(Path(path), group, name)
        missing = np.flatnonzero(keys == 0)
        columns = group[name] if len(missing) else open_store(path)[name]  # which is then as large on disk as it says
        if columns.ndim != 3 or columns.shape[0] != len(keys):
            raise FileFormatError(f"{name} is {columns.shape}, of {len(keys)} configurations")
    except (GlassGPUError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path} is damaged: {error}; remove it to compute the columns again") from error
    if len(missing):
        raise FileFormatError(f"{path}: {len(missing)} configurations are not done, the first is {missing[0]}; call write_columns again")
    return columns, fingerprint(store=identity, snapshots=keys)


def _write_block(path: Path, descriptor: Descriptor, snapshots: list[Snapshot], places: np.ndarray, keys: np.ndarray) -> int:
    """Compute some configurations and write them, each one's hash after its columns. Of those that no columns can be
    computed for, the first is told once the others are written."""
    import zarr

    try:
        columns = descriptor.compute_all(snapshots)
    except GlassGPUError:
        if len(snapshots) == 1:
            raise
        errors = []
        for k, snapshot in enumerate(snapshots):
            try:
                _write_block(path, descriptor, [snapshot], places[k : k + 1], keys[k : k + 1])
            except GlassGPUError as error:
                errors.append(type(error)(f"configuration {places[k]}: {error}"))
        if errors:
            raise errors[0] from None
        return len(snapshots)
    group: Any = zarr.open_group(path, mode="r+")
    name = type(descriptor).__name__
    try:
        for c, values, key in zip(places.tolist(), columns, keys, strict=True):
            group["snapshot"][c] = 0  # what was there is no longer what its hash says
            group[name][c] = values.astype(group[name].dtype)
            group["snapshot"][c] = key
    except OSError as error:
        raise OutputNotWritable(f"{path} could not be written ({error.strerror or error}); what is there is kept") from error
    return len(snapshots)


def _store(path: Path, descriptor: Descriptor, configurations: int, n: int, precision: str) -> Any:
    """The store, made if it is not there."""
    import zarr

    identity = fingerprint(
        descriptor=repr(descriptor), columns=descriptor.columns, system=_physics(descriptor), configurations=configurations, particles=n,
        precision=precision, version=__version__,
    )  # fmt: skip
    if not path.exists():
        _make_store(path, descriptor, (configurations, n, len(descriptor.columns)), precision, identity)
    found = _identity(path)
    if found is None:
        raise OutputNotWritable(f"{path} exists and holds something else; choose another name, or remove it first")
    if found != identity:
        raise CheckpointMismatch(
            f"{path} holds other columns than asked for ({differences(found, identity)}); choose another name, or remove it first"
        )
    _check_store(path, type(descriptor).__name__, (configurations, n, len(descriptor.columns)), precision)
    return zarr.open_group(path, mode="r+")


def _check_store(path: Path, name: str, shape: tuple[int, int, int], precision: str) -> None:
    """That the arrays of an existing store are what ``_make_store`` makes."""
    try:
        group = open_store(path, whole=())  # an empty store claims more than it holds
        wanted = {"snapshot": (shape[:1], (1,), "u8"), name: (shape, (1, *shape[1:]), "f8" if precision == "double" else "f4")}
        for key, (whole, chunk, kind) in wanted.items():
            found = group[key]
            if (found.shape, found.chunks, found.dtype) != (whole, chunk, np.dtype(kind)):
                raise FileFormatError(
                    f"{key} is {found.shape} of {found.dtype}, chunks {found.chunks}; expected {whole} of {kind}, chunks {chunk}"
                )
    except (GlassGPUError, KeyError, AttributeError) as error:
        raise FileFormatError(f"{path} is damaged: {error}; remove it to compute the columns again") from error


def _make_store(path: Path, descriptor: Descriptor, shape: tuple[int, int, int], precision: str, identity: str) -> None:
    """An empty store, which appears whole or not at all; where another process was faster, its store stays."""
    import zarr
    from zarr.codecs import ZstdCodec

    name = type(descriptor).__name__
    how: dict[str, Any] = {"compressors": (ZstdCodec(level=1, checksum=True),), "config": {"write_empty_chunks": True}}
    writable(path)
    try:
        with TemporaryDirectory(dir=path.parent, prefix=".glassgpu-") as folder:
            fresh = Path(folder, "new")
            group = zarr.open_group(fresh, mode="w-", zarr_format=3, attributes={MARK: ["feature", name, "snapshot"], IDENTITY: identity})
            group.create_array("feature", data=np.array(descriptor.columns, np.dtypes.StringDType()), dimension_names=("feature",))
            group.create_array("snapshot", shape=shape[:1], chunks=(1,), dtype="uint64", dimension_names=("configuration",), **how)
            group.create_array(
                name, shape=shape, chunks=(1, *shape[1:]), dtype="f8" if precision == "double" else "f4", fill_value=np.nan,
                dimension_names=("configuration", "particle", "feature"), attributes={"descriptor": repr(descriptor), "reach": descriptor.reach},
                **how,
            )  # fmt: skip
            try:
                os.rename(fresh, path)
            except OSError:
                if not path.exists():
                    raise
    except OSError as error:
        raise OutputNotWritable(f"{path} could not be written ({error.strerror or error})") from error


def _keys_done(path: Path, group: Any, name: str) -> np.ndarray:
    """Hashes of the configurations that a store holds, 0 for those that it does not hold or has lost."""
    kept = group["snapshot"]
    keys = np.zeros(kept.shape, np.uint64)
    for c in range(len(keys)):
        if (path / name / "c" / str(c) / "0" / "0").exists():
            with contextlib.suppress(Exception):  # a damaged chunk of hashes can raise nearly anything
                keys[c] = kept[c]
    return keys


def _physics(descriptor: Descriptor) -> str:
    system = getattr(descriptor, "system", None)
    return "" if system is None else fingerprint(**system.physics())


def _identity(path: Path) -> str | None:
    """What an existing store says it holds."""
    try:
        return str(json.loads((path / "zarr.json").read_text())["attributes"][IDENTITY])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _key(snapshot: Snapshot) -> int:
    """A hash of what a descriptor sees of a snapshot; never 0, which stands for a configuration not yet done."""
    digest = hashlib.blake2b(digest_size=8)
    for array in (snapshot.positions, snapshot.types, snapshot.box):
        digest.update(np.ascontiguousarray(array).tobytes())
    return int.from_bytes(digest.digest(), "little") or 1
