"""Columns chosen one after another by information imbalance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import executors, validate
from glassgpu.errors import InvalidInput
from glassgpu.executors import Executor
from glassgpu.launch import Cpu, Cuda, target
from glassgpu.progress import Progress, bar
from glassgpu.selection.imbalance import RankSums, checked_columns, imbalance, with_distances


@dataclass(frozen=True, eq=False)
class Selection:
    """The columns that ``greedy_selection`` chose.

    Attributes:
        features: numbers of the columns of X, in the order of their selection.
        names: their names.
        imbalance: (features, 2) float64 [1], for X_d = the first d = 1, 2, ... of them. With y: Delta(X_d -> y) and
            Delta(y -> X_d). Without: Delta(X_d -> X_full) and Delta(X_full -> X_d).
    """

    features: tuple[int, ...]
    names: tuple[str, ...]
    imbalance: np.ndarray


def greedy_selection(
    X: ArrayLike,
    y: ArrayLike | None = None,
    n_features: int | None = None,
    standardize: bool = True,
    backend: str = "auto",
    threads: int | None = None,
    progress: Progress = True,
    executor: Executor | None = None,
) -> Selection | list[Selection]:
    """Add to the columns chosen, again and again, the one with which they tell most.

    With y, the one that minimises Delta(X_d -> y). Without, the one that minimises the symmetric
    (Delta(X_full -> X_d) + Delta(X_d -> X_full)) / sqrt(2). Of columns that are equally good the first is taken.

    Args:
        X: (N, M) float64, a column per feature, in any units; or (configuration, N, M), of which each configuration is selected from by
            itself, as in the paper, so that errors are standard deviations over configurations. Names come from the
            coordinate ``feature`` of an xarray DataArray, else they are x0, x1, ...
        y: (N,) float64, such as a propensity, or (N, targets), which are used as given, in any units; with a leading axis where X has one.
        n_features: how many to choose; all by default.
        standardize: give the columns of X zero mean and unit variance over the N points first. Without it they
            are used as given, so that those with the larger spread count more.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.
        progress: a bar (True), nothing (False), or a function told the fraction done.
        executor: workers that share the configurations, as for ``io.write_columns``.

    Returns:
        A ``Selection``, or a list of one per configuration.

    Raises:
        InvalidInput: also for a column that is constant, with its name.
        DeviceMissing, CompilerMissing

    Source: II sections III.B and III.C, equation 16. See ``information_imbalance`` for Delta and its ties.

    Example:
        >>> random = np.random.default_rng(0)
        >>> X = random.normal(size=(500, 4))
        >>> y = 2 * X[:, 0] - X[:, 1] + 0.1 * random.normal(size=500)
        >>> gg.selection.greedy_selection(X, y, 2, progress=False).names
        ('x0', 'x1')
    """
    names, columns = named_columns(X)
    many = columns.ndim == 3
    each_x = columns if many else columns[None]
    each_y: Any = [None] * len(each_x)
    if y is not None:
        each_y = validate.array("y", y, np.float64, (..., None))
        if each_y.ndim not in ((2, 3) if many else (1, 2)):
            wanted = "(configuration, N)" if many else "(N,)"
            raise InvalidInput(
                f"y has shape {each_y.shape} and X {columns.shape}; expected y of shape {wanted}, with or without an axis of targets"
            )
        each_y = each_y if many else each_y[None]
    if len(each_x) != len(each_y) or not len(each_x):
        raise InvalidInput(f"X has {len(each_x)} configurations and y {len(each_y)}; give both of the same, and at least one")
    parts = []
    for c, (one_x, one_y) in enumerate(zip(each_x, each_y, strict=True)):
        try:
            one = prepared(one_x, names, standardize)
            parts.append((one, one if one_y is None else checked_targets(one_y, len(one))))
        except InvalidInput as error:
            if not many:
                raise
            raise InvalidInput(f"configuration {c}: {error}") from error
    total = len(names)
    chosen = total if n_features is None else validate.whole("n_features", n_features, least=1, most=total)
    executor = executors.chosen(executor)
    with bar(len(parts) * chosen, "column", progress) as advance:
        if executor is None or not many:
            place = target(backend, threads)
            selections = [_select(place, *part, y is None, chosen, names, advance) for part in parts]
        else:
            found = {}
            tasks = ((backend, threads, *part, y is None, chosen, names) for part in parts)
            for k, selection in executors.spread(_select_elsewhere, tasks, executor):
                found[k] = selection
                advance(chosen)
            selections = [found[k] for k in range(len(parts))]
    return selections if many else selections[0]


def _select_elsewhere(
    backend: str, threads: int | None, columns: np.ndarray, targets: np.ndarray, both: bool, chosen: int, names: Sequence[str]
) -> Selection:
    """``_select`` as a task."""
    place = target(backend, threads or executors.threads_of_a_task())
    return _select(place, columns, targets, both, chosen, names, lambda done: None)


def _select(
    place: Cpu | Cuda,
    columns: np.ndarray,
    targets: np.ndarray,
    both: bool,
    chosen: int,
    names: Sequence[str],
    advance: Callable[[float], Any],
) -> Selection:
    """``greedy_selection`` of checked columns of one configuration."""
    n, rank_sums = len(columns), RankSums(place, targets)
    features: list[int] = []
    pairs = []
    while len(features) < chosen:
        left = [c for c in range(columns.shape[1]) if c not in features]
        forward, backward = rank_sums(columns[:, features], columns[:, left], both, advance)
        pairs.append((forward[0], backward[0]))
        features.append(left[int(np.argmin(forward[1:] + backward[1:] if both else forward[1:]))])
    forward, backward = rank_sums(columns[:, features])
    pairs.append((forward[0], backward[0]))
    of_each = np.array([[imbalance(ranks, n) for ranks in pair] for pair in pairs[1:]])  # the first is that of no columns
    return Selection(tuple(features), tuple(names[f] for f in features), of_each)


def added_noise(
    X: ArrayLike,
    features: Sequence[int],
    y: ArrayLike,
    draws: int = 20,
    *,
    seed: int,
    standardize: bool = True,
    backend: str = "auto",
    threads: int | None = None,
) -> tuple[float, np.ndarray]:
    """Delta(X_d -> y) of some columns before and after one column of Gaussian noise is added to them.

    Columns that tell nothing raise Delta once it has come to its end, unlike those of a linear fit.

    Args:
        X: (N, M) float64, in any units.
        features: the columns chosen, such as ``Selection.features``, in order.
        y: (N,) or (N, targets) float64, in any units.
        draws: how many columns of noise, of zero mean and unit variance, are tried, each by itself.
        seed: of the noise.
        standardize: as in ``greedy_selection``; without it noise of unit variance may be much or little.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Returns:
        Delta(X_d -> y), and (draws,) float64 with noise [1].

    Raises:
        InvalidInput, DeviceMissing, CompilerMissing

    Source: II section III.B, figure 5.
    """
    names, columns = named_columns(X)
    if columns.ndim == 3:
        raise InvalidInput(f"X has shape {columns.shape}; give one configuration, (N, columns)")
    chosen = validate.array("features", features, np.int64, (None,)).tolist()
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0 or max(chosen) >= len(names):
        raise InvalidInput(f"features={chosen}: give numbers of columns from 0 to {len(names) - 1}, at least one, no two alike")
    draws = validate.whole("draws", draws, least=1)
    random = np.random.default_rng(validate.whole("seed", seed, least=0))
    columns = prepared(columns[:, chosen], [names[c] for c in chosen], standardize)
    targets = checked_targets(y, len(columns))
    forward, _ = RankSums(target(backend, threads), targets)(columns, random.standard_normal((len(columns), draws)))
    before, *after = (imbalance(ranks, len(columns)) for ranks in forward)
    return before, np.array(after)


def named_columns(X: Any) -> tuple[list[str], np.ndarray]:
    """Names of the columns of X, of its coordinate ``feature``, else x0, x1, ...; and X, (N, M) or (configuration, N, M) float64.

    Raises:
        InvalidInput
    """
    columns = validate.array("X", X, np.float64, (..., None))
    if columns.ndim not in (2, 3) or not columns.shape[-1]:
        raise InvalidInput(f"X has shape {columns.shape}; expected (N, columns) or (configuration, N, columns), and at least one column")
    if "feature" in getattr(X, "coords", ()):
        return [str(name) for name in X.coords["feature"].values], columns
    return [f"x{c}" for c in range(columns.shape[-1])], columns


def prepared(X: np.ndarray, names: Sequence[str], standardize: bool) -> np.ndarray:
    """Columns of one configuration, with zero mean and unit variance if asked for.

    Raises:
        InvalidInput: also for a constant column that should be standardised.
    """
    columns = checked_columns("X", X)
    if not standardize:
        return with_distances("X", columns)
    low, spread = columns.min(axis=0), np.ptp(columns, axis=0)
    if not spread.all():
        raise InvalidInput(
            f"column {names[int(np.argmin(spread))]!r} of X is constant and has no unit variance; leave it out, or pass standardize=False"
        )
    scaled = (columns - low) / spread  # columns of inherent states may vary by 1e-22 only, whose squares would be lost
    scaled -= scaled.mean(axis=0)
    return scaled / scaled.std(axis=0)


def checked_targets(y: ArrayLike, n: int) -> np.ndarray:
    """(N, targets) float64 of n points.

    Raises:
        InvalidInput
    """
    targets = with_distances("y", checked_columns("y", y))
    if len(targets) != n:
        raise InvalidInput(f"X has {n} points and y {len(targets)}; give both of the same points")
    if (targets.max(axis=0) == targets.min(axis=0)).all():
        raise InvalidInput("y is the same everywhere, so that nothing can be told of it; give a target that varies")
    return targets
