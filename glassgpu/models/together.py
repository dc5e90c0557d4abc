"""Many networks in one call: what they read is read once, and their first layers are one product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.models.epochs import epoch_by_kernel, kernel_serves
from glassgpu.models.training import Plan, Task, Watched, to_watch, train
from glassgpu.progress import Progress

Pair = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True)
class Settings:
    """What one network was asked to be, checked.

    Attributes:
        hidden: width of each hidden layer.
        dropout: of each.
        rates: ``learning_rate``, ``weight_decay``, ``alpha``.
        plan: how it is trained.
    """

    hidden: tuple[int, ...]
    dropout: tuple[float, ...]
    rates: Mapping[str, float]
    plan: Plan


def fit_together(
    estimators: Sequence[Any], X: ArrayLike, y: ArrayLike, *, validation: Pair | None = None, watch: Mapping[str, Pair] | None = None,
    columns: Sequence[int] | None = None, progress: Progress = True, checkpoint: str | Path | None = None,
) -> list[Any]:  # fmt: skip
    """Fit many ``MLPRegressor`` to targets of the same rows: settings, times and seeds side by side.

    Networks with the same number of columns, width of layers, epochs, batch, patience and choice of epoch are trained at once. They may
    have different numbers of layers: where one has none, what it got is passed on. First weights and dropout are each network's own, by its
    seed, and each has its own best epoch and end; the order of rows is that of the first network's seed for all, so networks with equal seeds
    come out as they would alone, up to rounding. One target for each network.

    Args:
        estimators: to be fitted, one for each target.
        X: (n, features) float64, standardised [1].
        y: (n, targets) float64, in any units, one target for each estimator.
        validation: (X, y) of other configurations, as for ``MLPRegressor.fit``.
        watch: further rows (X, y) by name, looked at after every epoch: see ``pearson_curves_``. They decide nothing.
        columns: how many columns, counted from the first, each network is shown; None: all.
        progress: True, False, or a function that is told the fraction done.
        checkpoint: file in which training is kept three times a minute; the same call goes on from it. With networks of
            several shapes a number is put before its ending.

    Returns:
        The estimators, fitted.

    Raises:
        InvalidInput: an estimator that is no ``MLPRegressor``, or comes twice; shapes that do not belong together.
        NotConverged
        CheckpointMismatch, FileFormatError, OutputNotWritable: of the checkpoint.
        ValueError: X that scikit-learn refuses: NaN, infinity.

    Source: TH section A.0.3; CMP section II.B.
    """
    from glassgpu.models.mlp import MLPRegressor

    estimators = list(estimators)
    strangers = [type(e).__name__ for e in estimators if not isinstance(e, MLPRegressor)]
    if strangers or not estimators:
        raise InvalidInput(f"estimators hold {strangers or 'nothing'}: give MLPRegressor, one for each target")
    x: np.ndarray = check_array(X, dtype=np.float64, input_name="X")
    if len({id(e) for e in estimators}) < len(estimators):
        raise InvalidInput("estimators hold one estimator more than once: give each target its own, such as sklearn.base.clone(estimator)")
    many = len(estimators)
    target = _targets("y", y, len(x), (many,))[:, :, None]
    watched = {name: rows_to_watch(name, pair, x.shape[1], (many,)) for name, pair in to_watch(validation, watch).items()}
    widths = [x.shape[1]] * many if columns is None else [validate.whole("columns", c, least=1, most=x.shape[1]) for c in columns]
    if len(widths) != many:
        raise InvalidInput(f"columns has {len(widths)} numbers for {many} estimators; give one for each")
    settings = [e.settings(width, 1, validation is not None) for e, width in zip(estimators, widths, strict=True)]
    groups: dict[Any, list[int]] = {}
    for k, (s, width) in enumerate(zip(settings, widths, strict=True)):
        shape = s.hidden[0] if s.hidden and len(set(s.hidden)) == 1 else s.hidden
        plan = (s.plan.epochs, s.plan.batch, s.plan.patience, s.plan.select)
        groups.setdefault((width, shape, *plan), []).append(k)
    done = 0
    for number, ((width, *_), members) in enumerate(groups.items()):
        path = None if checkpoint is None else Path(checkpoint)
        if path is not None and len(groups) > 1:
            path = path.with_name(f"{path.stem}-{number}{path.suffix}")
        part = progress if not callable(progress) else _part(progress, done / many, len(members) / many)
        fit_side_by_side(
            [estimators[k] for k in members], [settings[k] for k in members], x[:, :width], target[:, members],
            {name: (a[:, :width], b[:, members]) for name, (a, b) in watched.items()}, part, path,
        )  # fmt: skip
        done += len(members)
        for k in members:
            estimators[k].n_features_in_ = width
            estimators[k]._one_target = True
    return estimators


def _part(progress: Any, begin: float, share: float) -> Any:
    return lambda fraction: progress(begin + share * fraction)


def _targets(name: str, y: ArrayLike, rows: int, shape: tuple[int, ...]) -> np.ndarray:
    """y as (rows, *shape)."""
    found: np.ndarray = check_array(y, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name=f"y of {name}")
    if found.size != rows * int(np.prod(shape)) or len(found) != rows:
        raise InvalidInput(f"{name} has {rows} rows and a target of shape {found.shape}; expected {int(np.prod(shape))} targets a row")
    return found.reshape(rows, *shape)


def rows_to_watch(name: str, pair: Any, features: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, features) and targets (n, networks, outputs) that nobody learns from; ``shape`` is (networks,) or with outputs."""
    try:
        x, y = pair
    except (TypeError, ValueError):
        raise InvalidInput(f"{name}: give a pair (X, y)") from None
    x = check_array(x, dtype=np.float64, input_name=f"X of {name}")
    if x.shape[1] != features:
        raise InvalidInput(f"{name} has {x.shape[1]} features; expected {features}, as in training")
    y = _targets(name, y, len(x), shape)
    return x, y if y.ndim == 3 else y[:, :, None]


def fit_side_by_side(
    estimators: Sequence[Any], settings: Sequence[Settings], X: np.ndarray, y: np.ndarray,
    watched: Mapping[str, tuple[np.ndarray, np.ndarray]], progress: Progress, checkpoint: str | Path | None,
) -> None:  # fmt: skip
    """Fit networks that can stand side by side: X (n, features), y (n, networks, outputs)."""
    import jax.numpy as jnp

    from glassgpu.models.networks import Layers, new_layers, one_of, side_by_side

    longest = max((s.hidden for s in settings), key=len)
    outputs = y.shape[2]
    networks = []
    for k, s in enumerate(settings):
        sizes = [X.shape[1], *s.hidden, outputs]
        built = new_layers(sizes, np.random.default_rng(s.plan.seed), y[:, k].mean(axis=0))
        more = len(longest) - len(s.hidden)  # layers that this one does not have
        width = longest[0] if longest else 0
        idle = new_layers([width] * (more + 1), np.random.default_rng(0)) if more else Layers((), ())
        networks.append(
            Layers((*built.weights[:-1], *idle.weights, built.weights[-1]), (*built.biases[:-1], *idle.biases, built.biases[-1]))
        )
    has = np.array([[k < len(s.hidden) for s in settings] for k in range(len(longest))])[..., None]
    kept = np.array([[1 - (s.dropout[k] if k < len(s.dropout) else 0.0) for s in settings] for k in range(len(longest))])[..., None]
    own = {"has": None if has.all() else jnp.asarray(has), "kept": None if (kept == 1).all() else jnp.asarray(kept, jnp.float32)}
    epoch = epoch_by_kernel() if kernel_serves(longest, outputs) else None
    task = Task(_loss, _outputs, jnp.asarray(X, jnp.float32), own, jnp.asarray(y, jnp.float32), epoch)
    rates = {name: np.array([s.rates[name] for s in settings]) for name in settings[0].rates}
    unseen = {name: Watched(jnp.asarray(x, jnp.float32), jnp.asarray(t, jnp.float32)) for name, (x, t) in watched.items()}
    inputs = {"X": X, "y": y, "hidden": tuple(s.hidden for s in settings), "dropout": tuple(s.dropout for s in settings)}
    inputs |= {f"{name} rows": np.hstack([x, t.reshape(len(t), -1)]) for name, (x, t) in watched.items()}
    found = train(
        task, side_by_side(networks), rates, [s.plan.seed for s in settings], settings[0].plan, unseen, progress=progress, checkpoint=checkpoint,
        inputs=inputs if checkpoint else None,
    )  # fmt: skip
    for k, (estimator, s) in enumerate(zip(estimators, settings, strict=True)):
        layers = one_of(found.networks, k)
        layer = [*range(len(s.hidden)), len(longest)]
        estimator.coefs_ = [np.asarray(layers.weights[l], np.float64) for l in layer]
        estimator.intercepts_ = [np.asarray(layers.biases[l], np.float64) for l in layer]
        estimator.n_parameters_ = sum(a.size for a in (*estimator.coefs_, *estimator.intercepts_))
        found.tell(estimator, k)


def _passed(own: Any, k: int, x: Any, h: Any) -> Any:
    """What leaves hidden layer k of a network that may not have it."""
    import jax.numpy as jnp

    return h if k == 0 or own["has"] is None else jnp.where(own["has"][k], h, x)


def _loss(network: Any, shared: Any, own: Any, target: Any, rows: Any, key: Any) -> Any:
    import jax
    import jax.numpy as jnp

    def after(k: int, x: Any, h: Any) -> Any:
        h = _passed(own, k, x, h)
        if own["kept"] is None:
            return h
        share = own["kept"][k]
        return jnp.where(jax.random.bernoulli(jax.random.fold_in(key, k), share, h.shape), h / share, 0)

    return jnp.mean((network(shared[rows], after) - target[rows]) ** 2)


def _outputs(network: Any, shared: Any, own: Any) -> Any:
    return network(shared, lambda k, x, h: _passed(own, k, x, h))
