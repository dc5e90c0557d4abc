"""Columns of many configurations, written to a Zarr store as they are computed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from glassgpu import __version__, validate
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.engines.checkpoint import differences, fingerprint
from glassgpu.errors import CheckpointMismatch, Interrupted, InvalidInput, OutputNotWritable
from glassgpu.io.datasets import MARK
from glassgpu.io.replaced import replaced
from glassgpu.progress import Progress, bar
from glassgpu.types import Snapshot, as_snapshots

IDENTITY = "glassgpu_columns"  # attribute: what fixes the numbers of a store
BLOCK_BYTES = 64 << 20  # of the columns of one task
IN_FLIGHT = 16  # tasks given to an executor at a time, so that their snapshots do not pile up


class Executor(Protocol):
    """What can run tasks elsewhere: of ``concurrent.futures``, ``dask.distributed`` (``Client.get_executor()``), mpi4py."""

    def submit(self, task: Callable, /, *arguments: Any) -> Any:
        """A future."""


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

    Memory holds a few configurations at a time. A store that is there is continued: configurations that it
    holds are not computed again, those that changed are. ``xarray.open_zarr(path, consolidated=False)``
    reads it piece by piece; ``open_dataset`` the whole, once it is complete. It holds the columns under the
    descriptor's name, dims (configuration, particle, feature), and ``snapshot``, a hash of each configuration.

    Args:
        path: of the Zarr store, a folder.
        descriptor: such as ``descriptors.BehlerParrinello()``.
        snapshots: of one shape.
        precision: ``"double"``, or ``"single"`` for half the room on disk.
        executor: anything with ``submit(function, *arguments)`` that returns futures of ``concurrent.futures``; its
            workers write to ``path`` themselves. None: this process.
        progress: a bar (True), nothing (False), or a function told the fraction done.

    Returns:
        The path.

    Raises:
        CheckpointMismatch: the store holds columns of another descriptor, number of configurations or precision.
        OutputNotWritable: something else stands at the path, or it cannot be written.
        BoxTooSmall, UnknownSpecies, InvalidInput, ParticlesOverlap: from the descriptor; what is done is kept.
        Interrupted: the user stopped it; what is done is kept.
    """
    if not isinstance(descriptor, Descriptor):
        raise InvalidInput(f"descriptor={descriptor!r}: give a descriptor, such as glassgpu.descriptors.BehlerParrinello()")
    validate.choice("precision", precision, ("single", "double"))
    snapshots, _ = as_snapshots(list(snapshots))
    for snapshot in snapshots:
        descriptor.check(snapshot)
    target = Path(path).resolve()
    keys = np.array([_key(s) for s in snapshots], np.uint64)
    group = _store(target, descriptor, len(snapshots), snapshots[0].n, precision)
    missing = np.flatnonzero(group["snapshot"][:] != keys)
    size = max(1, BLOCK_BYTES // (snapshots[0].n * len(descriptor.columns) * 8))
    blocks = [missing[first : first + size] for first in range(0, len(missing), size)]
    tasks = ((target, descriptor, [snapshots[c] for c in block], block, keys[block]) for block in blocks)
    done = len(snapshots) - len(missing)
    try:
        with bar(len(snapshots), "configurations", progress, done) as advance:
            for written in _run(tasks, executor):
                advance(written)
                done += written
    except KeyboardInterrupt:
        raise Interrupted(f"stopped after {done} of {len(snapshots)} configurations; the same call continues {target}") from None
    return target


def _run(tasks: Any, executor: Executor | None) -> Any:
    """Yields the number of configurations of each task that is done."""
    if executor is None:
        for task in tasks:
            yield _write_block(*task)
        return
    pending: set[Any] = set()
    try:
        for task in tasks:
            pending.add(executor.submit(_write_block, *task))
            if len(pending) >= IN_FLIGHT:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        while pending:
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)
    finally:
        for future in pending:
            future.cancel()


def _write_block(path: Path, descriptor: Descriptor, snapshots: list[Snapshot], places: np.ndarray, keys: np.ndarray) -> int:
    """Compute some configurations and write them, each one's hash after its columns."""
    import zarr

    columns = descriptor.compute_all(snapshots)
    group: Any = zarr.open_group(path, mode="r+")
    name = type(descriptor).__name__
    try:
        for c, values, key in zip(places.tolist(), columns, keys, strict=True):
            group[name][c] = values.astype(group[name].dtype)
            group["snapshot"][c] = key
    except OSError as error:
        raise OutputNotWritable(f"{path} could not be written ({error.strerror or error}); what is there is kept") from error
    return len(snapshots)


def _store(path: Path, descriptor: Descriptor, configurations: int, n: int, precision: str) -> Any:
    """The store, made if it is not there."""
    import zarr
    from zarr.codecs import ZstdCodec

    identity = fingerprint(
        descriptor=repr(descriptor), columns=descriptor.columns, system=_physics(descriptor), configurations=configurations, particles=n,
        precision=precision, version=__version__,
    )  # fmt: skip
    if path.exists():
        found = _identity(path)
        if found is None:
            raise OutputNotWritable(f"{path} exists and holds something else; choose another name, or remove it first")
        if found != identity:
            raise CheckpointMismatch(
                f"{path} holds other columns than asked for ({differences(found, identity)}); choose another name, or remove it first"
            )
        return zarr.open_group(path, mode="r+")
    name, features = type(descriptor).__name__, descriptor.columns
    shape = (configurations, n, len(features))
    how: dict[str, Any] = {"compressors": (ZstdCodec(level=1, checksum=True),), "config": {"write_empty_chunks": True}}
    with replaced(path, lambda _: False) as fresh:
        group = zarr.open_group(fresh, mode="w-", zarr_format=3, attributes={MARK: ["feature", name, "snapshot"], IDENTITY: identity})
        group.create_array("feature", data=np.array(features, np.dtypes.StringDType()), dimension_names=("feature",))
        group.create_array("snapshot", shape=shape[:1], chunks=(1,), dtype="uint64", dimension_names=("configuration",), **how)
        group.create_array(
            name, shape=shape, chunks=(1, *shape[1:]), dtype="f8" if precision == "double" else "f4",
            dimension_names=("configuration", "particle", "feature"), attributes={"descriptor": repr(descriptor), "reach": descriptor.reach},
            **how,
        )  # fmt: skip
    return zarr.open_group(path, mode="r+")


def _physics(descriptor: Descriptor) -> str:
    system = getattr(descriptor, "system", None)
    return "" if system is None else fingerprint(**system.physics())


def _identity(path: Path) -> str | None:
    """What an existing store says it holds."""
    try:
        return str(json.loads((path / "zarr.json").read_text())["attributes"][IDENTITY])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _key(snapshot: Snapshot) -> int:
    """A hash of what a descriptor sees of a snapshot; never 0, which stands for a configuration not yet done."""
    digest = hashlib.blake2b(digest_size=8)
    for array in (snapshot.positions, snapshot.types, snapshot.box):
        digest.update(np.ascontiguousarray(array).tobytes())
    return int.from_bytes(digest.digest(), "little") or 1
