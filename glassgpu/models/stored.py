"""Sums of columns that stand on disk, for fits whose rows are never in memory together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import __version__, validate
from glassgpu.engines import checkpoint as files
from glassgpu.errors import FileFormatError, Interrupted, InvalidInput
from glassgpu.executors import Executor, chosen, spread
from glassgpu.locks import alone
from glassgpu.models.moments import Moments
from glassgpu.progress import Progress, bar

MOST_PARTS = 100  # unless asked otherwise: parts are kept in memory, each a matrix of columns by columns
ROWS = 1 << 16  # in memory at a time
SAVE_EVERY = 20.0  # seconds
FIELDS = ("count", "mean", "scatter", "low", "high")  # of the moments in a checkpoint


def moments_of_columns(
    columns: Any,
    y: ArrayLike,
    *,
    rows: ArrayLike | None = None,
    parts: int | None = None,
    executor: Executor | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: Progress = True,
) -> list[Moments]:
    """What linear fits need of columns on disk, read once, piece by piece.

    ::

        parts = gg.models.moments_of_columns("slo.zarr", propensity, rows=types == 0)
        whole = functools.reduce(operator.add, parts)
        weights, intercepts = whole.ridge_path([0.01, 0.1, 1])
        folds = gg.models.Moments.resampled(parts, 1 - np.eye(len(parts)))  # each part left out once
        [p.pearson(f.ridge_path(0.1)[0][0]) for p, f in zip(parts, folds)]  # and predicted

    Args:
        columns: path of the store that ``io.write_columns`` wrote; or an array, (configuration, particle, feature) or (row, feature),
            in any units, that is read as it is sliced: of Zarr, a memory map.
        y: what is to be predicted, in any units: the shape of ``columns`` without its last axis, with or without an axis of targets.
        rows: bool, such as which particles are of one species: the shape of ``columns`` without its last axis, or (particle,). None: all.
        parts: into how many parts of whole, consecutive configurations (or of rows) the sums are taken, of which folds are made: by
            default one for each configuration, at most 100.
        executor: workers that share the parts. An array travels to them, so give them a path or an array of Zarr. None: that of
            ``executors.using``, else this process.
        checkpoint: a file that keeps the parts that are done, from which the same call continues; for columns given by their path.
        progress: a bar (True), nothing (False), or a function told the fraction done.

    Returns:
        Moments of each part, in order: the same bits whoever computes them.

    Raises:
        InvalidInput: shapes that do not belong together, NaN, more parts than configurations, a part without rows, a checkpoint of
            an array.
        FileFormatError: no such store, damaged, or with configurations that are not done.
        CheckpointMismatch: ``checkpoint`` belongs to other columns, ``y``, ``rows`` or ``parts``.
        OutputNotWritable, OutputBusy: of ``checkpoint``.
        Interrupted: the user stopped it; parts that are done are kept in ``checkpoint``.

    Source: Chan, Golub and LeVeque, Technical Report STAN-CS-79-773 (1979), for adding sums.
    """
    opened, origin = _opened(columns)
    shape, path = opened.shape, files.checkpoint_path(checkpoint)
    if path and origin is None:
        raise InvalidInput("checkpoint= is for columns given as the path of a store, which says what they were computed from")
    if len(shape) not in (2, 3) or 0 in shape:
        raise InvalidInput(f"columns has shape {shape}; expected (configuration, particle, feature) or (row, feature), of at least one")
    targets = validate.array("y", y, np.float64, (*shape[:-1], None) if np.ndim(y) == len(shape) else shape[:-1])
    targets = targets.reshape(*shape[:-1], -1)
    taken = np.ones(shape[:-1], bool) if rows is None else np.asarray(rows)
    if taken.dtype != bool or (taken.shape != shape[:-1] and taken.shape != shape[-2:-1]):
        raise InvalidInput(f"rows has dtype {taken.dtype} and shape {taken.shape}; expected bool, {shape[:-1]} or {shape[-2:-1]}")
    taken = np.broadcast_to(taken, shape[:-1])
    number = validate.whole("parts", min(shape[0], MOST_PARTS) if parts is None else parts, least=1, most=shape[0])
    ends = [(shape[0] * k // number, shape[0] * (k + 1) // number) for k in range(number)]
    for k, (first, last) in enumerate(ends):
        if not taken[first:last].any():
            raise InvalidInput(f"part {k} has no rows: rows= takes none of {first} to {last - 1}; give fewer parts")
    key = files.fingerprint(columns=origin, y=targets, rows=taken, parts=number, version=__version__) if path else ""
    with alone(files.writable(path) if path else None):
        found = _kept(path, key, shape[-1])
        tasks = {k: (opened, a, targets[a:b], taken[a:b]) for k, (a, b) in enumerate(ends) if k not in found}
        order, saved, pause = list(tasks), time.monotonic(), SAVE_EVERY
        already = sum(ends[k][1] - ends[k][0] for k in found)
        try:
            with bar(shape[0], "configurations" if len(shape) == 3 else "rows", progress, already) as advance:
                for at, moments in spread(_moments_of_part, tasks.values(), chosen(executor)):
                    found[order[at]] = moments
                    if path and (time.monotonic() - saved > pause or len(found) == number):
                        began = time.monotonic()
                        _keep(path, key, found)
                        saved = time.monotonic()
                        pause = SAVE_EVERY * max(1.0, (saved - began) / 2)  # so that saving takes a tenth of the time at most
                    advance(ends[order[at]][1] - ends[order[at]][0])
        except BaseException as error:
            if path:
                _keep(path, key, found)
            if not isinstance(error, KeyboardInterrupt):
                raise
            keep = "give checkpoint= to keep them" if origin else "columns in a store of io.write_columns can be kept in a checkpoint="
            where = f"the same call continues from {path}" if path else keep
            raise Interrupted(f"stopped after {len(found)} of {number} parts; {where}") from None
    return [found[k] for k in range(number)]


def _keep(path: Path, key: str, found: dict[int, Moments]) -> None:
    if found:
        kept = {name: np.stack([getattr(moments, name) for moments in found.values()]) for name in FIELDS}
        files.save(path, key, {"part": np.array(list(found)), **kept})


def _kept(path: Path | None, key: str, features: int) -> dict[int, Moments]:
    """Parts that were done before."""
    kept = files.load(path, key) if path else None
    if kept is None:
        return {}
    try:
        parts = zip(kept["part"].tolist(), *(kept[name] for name in FIELDS), strict=True)
        return {k: Moments(int(count), mean, scatter, features, low, high) for k, count, mean, scatter, low, high in parts}
    except (KeyError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path} is damaged ({error}); delete it to start anew") from error


def _moments_of_part(array: Any, first: int, targets: np.ndarray, taken: np.ndarray) -> Moments:
    """Of consecutive configurations or rows from number ``first`` on."""
    total: Moments | None = None
    for at in _pieces(targets.shape[:-1]):
        mine = taken[at]
        if mine.any():
            piece = Moments.of(_read(array, (slice(at[0].start + first, at[0].stop + first), *at[1:]))[mine], targets[at][mine])
            total = piece if total is None else total + piece
    assert total is not None  # a part has rows
    return total


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """At most ``ROWS`` rows each: of one configuration, or of a long array."""
    if len(shape) == 1:
        yield from ((slice(k, min(k + ROWS, shape[0])),) for k in range(0, shape[0], ROWS))
        return
    for c in range(shape[0]):
        yield from ((slice(c, c + 1), *inside) for inside in _pieces(shape[1:]))


def _opened(columns: Any) -> tuple[Any, str | None]:
    """An array that is read as it is sliced, and what it was computed from, where that is known."""
    if isinstance(columns, (str, os.PathLike)):
        from glassgpu.io.columns import opened_columns  # which looks at descriptors

        return opened_columns(Path(columns).absolute())  # workers may stand elsewhere
    return columns if hasattr(columns, "shape") else np.asarray(columns), None


def _read(array: Any, at: tuple[slice, ...]) -> np.ndarray:
    try:
        return np.asarray(array[at], np.float64)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise FileFormatError(f"columns {at[0].start} to {at[0].stop - 1} cannot be read ({error}); fetch or compute them again") from error
