"""What ``model_comparison`` fits: ridge regression, networks and graph networks on the same configurations, judged on the same others."""

from __future__ import annotations

import functools
import itertools
import operator
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from glassgpu.evaluate import pearson
from glassgpu.models import GraphNetwork, LinearSVC, MLPRegressor, Moments, fit_together, load_network, save_network
from glassgpu.models.scales import deviation
from glassgpu.study import Pieces, Result

ALPHAS = 10.0 ** np.arange(-5, 4.1, 0.5)
SAID_TO_MOVE = 0.1  # share of the particles that are called fast, and slow


@dataclass(frozen=True)
class Fold:
    """Which configurations are learned from, which choose, and which judge."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def one_fold(configurations: int, learned: int | None = None) -> Fold:
    """CMP's 80 / 10 / 10, by configuration; ``learned``: only so many of the first."""
    tenth = max(1, configurations // 10)
    train = tuple(range(configurations - 2 * tenth))
    return Fold(train[:learned], tuple(range(len(train), len(train) + tenth)), tuple(range(len(train) + tenth, configurations)))


def leave_one_out(configurations: int) -> list[Fold]:
    """Each configuration judges once; the next one chooses."""
    every = range(configurations)
    return [Fold(tuple(k for k in every if k not in (c, (c + 1) % configurations)), ((c + 1) % configurations,), (c,)) for c in every]


def rows_of(liquids: Result, species: int) -> list[np.ndarray]:
    """Particles of one species in each configuration."""
    return [np.flatnonzero(s.types == species) for s in liquids["snapshots"]]


def targets_of(labels: Result, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Propensities (configuration, particle of the species, time)."""
    return np.stack([p[:, r].T for p, r in zip(labels["propensity"], rows, strict=True)])


def columns_of(columns: Sequence[Result], widths: Sequence[int], rows: Sequence[np.ndarray]) -> np.ndarray:
    """The first so many columns (0: all) of each, side by side, (configuration, particle of the species, feature) float64."""
    return np.stack(
        [
            np.concatenate(
                [np.asarray(part["columns"][c][r, : w or None], np.float64) for part, w in zip(columns, widths, strict=True)], axis=1
            )
            for c, r in enumerate(rows)
        ]
    )


def each_pearson(y: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(time, configuration) of (configuration, particle, time)."""
    return np.array([[pearson(y[c, :, t], found[c, :, t]) for c in range(len(y))] for t in range(y.shape[2])])


def pooled_pearson(y: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(time,), over the particles of all configurations."""
    return np.array([pearson(y[..., t].ravel(), found[..., t].ravel()) for t in range(y.shape[2])])


def _flat(a: np.ndarray, which: Sequence[int]) -> np.ndarray:
    return a[list(which)].reshape(-1, a.shape[-1])


# ---------------------------------------------------------------- ridge regression


def linear(
    columns: Sequence[Result], widths: Sequence[int], liquids: Result, labels: Result, species: int, fold: Fold, refitted: bool = False
) -> dict[str, Any]:  # fmt: skip
    """All times at once: the best alpha of each by the validation configurations, and, to see what it flatters, by the test configurations.

    ``refitted``: the weights are then those of training and validation configurations together.

    Returns:
        ``pearson`` (time, test configuration), ``pooled`` (time,), ``flattered`` (time,), ``alpha`` (time,), ``weights`` (time, feature),
        ``intercept`` (time,), ``prediction`` (test configuration, particle, time), ``seconds`` of the fit.
    """
    rows = rows_of(liquids, species)
    x, y = columns_of(columns, widths, rows), targets_of(labels, rows)
    begun = time.monotonic()
    parts = [Moments.of(x[c], y[c]) for c in fold.train]
    weights, intercept = functools.reduce(operator.add, parts).ridge_path(ALPHAS, standardize=True)

    def scores(which: Sequence[int]) -> np.ndarray:
        """(alpha, time)"""
        return np.array(
            [each_pearson(y[list(which)], x[list(which)] @ w + b).mean(axis=1) for w, b in zip(weights, intercept, strict=True)]
        )

    judged, looked = scores(fold.validation), scores(fold.test)
    best = judged.argmax(axis=0)
    times = np.arange(y.shape[2])
    w, b = weights[best, :, times].T, intercept[best, times]
    seconds = time.monotonic() - begun
    if refitted:
        parts += [Moments.of(x[c], y[c]) for c in fold.validation]
        weights, intercept = functools.reduce(operator.add, parts).ridge_path(ALPHAS, standardize=True)
        w, b = weights[best, :, times].T, intercept[best, times]
    test = list(fold.test)
    found = x[test] @ w + b
    return {
        "pearson": each_pearson(y[test], found), "pooled": pooled_pearson(y[test], found), "flattered": looked.max(axis=0),
        "validation": judged.max(axis=0), "alpha": ALPHAS[best], "weights": w.T, "intercept": b, "prediction": found, "seconds": seconds,
    }  # fmt: skip


# ---------------------------------------------------------------- networks


def standardized(x: np.ndarray, train: Sequence[int]) -> np.ndarray:
    """By mean and deviation of the training rows."""
    rows = _flat(x, train)
    return (x - rows.mean(axis=0)) / deviation(rows)


def networks(
    columns: Sequence[Result], widths: Sequence[Sequence[int]], liquids: Result, labels: Result, species: int, fold: Fold,
    settings: Sequence[Mapping[str, Any]], seeds: Sequence[int], training: Mapping[str, Any], checkpoint: Path, folder: Path,
) -> dict[str, Any]:  # fmt: skip
    """Every set of settings, width and seed, for every time, in one call.

    Args:
        widths: sets of columns: the first so many of each of ``columns``.

    Returns:
        ``pearson`` (setting, width, time, seed, test configuration), ``pooled`` and ``validation`` (setting, width, time, seed) at the
        epoch chosen by the validation configurations, ``flattered`` (setting, width, time, seed): of the pooled test rows after
        their own best epoch; ``chosen`` epoch from 0, the same shape; ``prediction`` (setting, width, time, seed, test configuration,
        particle), in mean and deviation of the training targets; ``epochs`` run, ``seconds``. The networks of the first
        seed and last time are kept in ``folder``.
    """
    rows = rows_of(liquids, species)
    y = targets_of(labels, rows)
    every = [standardized(columns_of(columns, w, rows), fold.train) for w in widths]
    nested = all(np.array_equal(a, every[-1][..., : a.shape[2]]) for a in every)
    shape = (len(settings), len(widths), y.shape[2], len(seeds))
    scaled = standardized(y, fold.train)
    test = list(fold.test)
    found = np.zeros((*shape, len(test), y.shape[1]))
    scores = {name: np.zeros(shape) for name in ("pooled", "validation", "flattered")}
    chosen = np.zeros(shape, int)
    seconds, ran = 0.0, 0
    groups = [range(len(widths))] if nested else [[k] for k in range(len(widths))]  # sets of columns that begin alike share their rows
    for number, group in enumerate(groups):
        x = every[group[-1]]
        members = [(s, k, t, r) for k in group for s in range(len(settings)) for t in range(y.shape[2]) for r in range(len(seeds))]
        models = [MLPRegressor(**{**training, **settings[s], "seed": seeds[r]}) for s, k, t, r in members]
        at = [t for _, _, t, _ in members]
        fit_together(
            models, _flat(x, fold.train), _flat(scaled, fold.train)[:, at],
            validation=(_flat(x, fold.validation), _flat(scaled, fold.validation)[:, at]),
            watch={"test": (_flat(x, fold.test), _flat(scaled, fold.test)[:, at])},
            columns=[every[k].shape[2] for _, k, _, _ in members], checkpoint=checkpoint.with_name(f"group-{number}.npz"),
        )  # fmt: skip
        seconds += sum({model.n_features_in_: model.seconds_ for model in models}.values())  # networks of equal width took them together
        for model, where in zip(models, members, strict=True):
            found[where] = model.predict(_flat(every[where[1]], test)).reshape(len(test), -1)
            for name, curve, at_epoch in (
                ("pooled", "test", model.chosen_),
                ("validation", "validation", model.chosen_),
                ("flattered", "test", None),
            ):
                values = model.pearson_curves_[curve]
                scores[name][where] = np.nanmax(values) if at_epoch is None else values[at_epoch]
            ran = max(ran, model.n_iter_)
            chosen[where] = model.chosen_
            if where[2:] == (y.shape[2] - 1, 0):
                save_network(model, folder / f"{where[0]}-{where[1]}.npz")
    score = np.array([[pearson(y[c, :, w[2]], found[w][k]) for k, c in enumerate(test)] for w in np.ndindex(*shape)]).reshape(
        *shape, len(test)
    )
    return {"pearson": score, "prediction": found, "epochs": ran, "chosen": chosen, "seconds": seconds, **scores}


def graph(
    state: Result, columns: Sequence[Result], widths: Sequence[int], liquids: Result, labels: Result, species: int | None, times: Sequence[int],
    fold: Fold, settings: Mapping[str, Any], checkpoint: Path, folder: Path,
) -> dict[str, Any]:  # fmt: skip
    """One graph network for some of the times; ``species`` None: for all species together.

    Returns:
        By number of the species ``pearson-0`` ... (time, test configuration), ``validation-0`` (time,), ``prediction-0`` (test
        configuration, particle, time); ``pooled`` and ``flattered`` as of ``networks``, over all times and species learned; ``epochs`` run, the
        epoch ``chosen`` from 0, ``seconds``. The network is kept in ``folder``.
    """
    snapshots = list(state["snapshots"])
    y = np.moveaxis(labels["propensity"][:, list(times)], 1, 2)
    x = np.stack(
        [
            np.concatenate([np.asarray(part["columns"][c][:, : w or None], np.float64) for part, w in zip(columns, widths, strict=True)], axis=1)
            for c in range(len(snapshots))
        ]
    )  # fmt: skip

    def told(which: Sequence[int]) -> tuple:
        return [snapshots[c] for c in which], y[list(which)], x[list(which)]

    model = GraphNetwork(species=species, checkpoint=checkpoint, **settings)
    learned, wanted, given = told(fold.train)
    model.fit(learned, wanted, given, validation=told(fold.validation), watch={"test": told(fold.test)})
    save_network(model, folder / "network.npz")
    curve = model.pearson_curves_["test"]
    out: dict[str, Any] = {
        "seconds": model.seconds_,
        "epochs": model.n_iter_,
        "chosen": model.chosen_,
        "pooled": curve[model.chosen_],
        "flattered": np.nanmax(curve),
    }
    for which, name in ((list(fold.validation), "validation"), (list(fold.test), "pearson")):
        chosen, _, given = told(which)
        found = model.predict(chosen, given)
        for kind in range(int(snapshots[0].types.max()) + 1) if species is None else [species]:
            rows = rows_of(liquids, kind)
            prediction = np.stack([found[k][rows[c]] for k, c in enumerate(which)])
            score = each_pearson(np.stack([y[c][rows[c]] for c in which]), prediction)
            out[f"{name}-{kind}"] = score if name == "pearson" else score.mean(axis=1)
            if name == "pearson":
                out[f"prediction-{kind}"] = prediction
    return out


# ---------------------------------------------------------------- what they use


def softness_direction(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Unit normal, in standardised columns, of the plane between the fastest and the slowest particles."""
    fast, slow = (y >= np.quantile(y, 1 - SAID_TO_MOVE)), (y <= np.quantile(y, SAID_TO_MOVE))
    chosen = fast | slow
    model = LinearSVC(C=0.01, loss="squared_hinge").fit(x[chosen], fast[chosen].astype(int))
    return model.coef_.ravel() / np.linalg.norm(model.coef_)


def attribution(
    columns: Sequence[Result], widths: Sequence[int], state: Result, liquids: Result, labels: Result, species: int, fold: Fold, ridge: Result,
    network: Result, which: str, graph_network: Result, graph_width: int, particles: int, repeats: int, seed: int,
    checkpoint: Path,
) -> dict[str, Any]:  # fmt: skip
    """Permutation importance of groups of columns, directions in the space of columns, and how far a graph network looks, at the last time.

    Returns:
        ``groups``; ``importance`` (group, model, value and error): ridge, network, graph network; ``directions`` and their
        ``cosines``; ``distance`` and ``answer``: how much a prediction answers to the columns of a particle so far away.
    """
    from glassgpu.evaluate import permutation_importance
    from glassgpu.structure import neighbors

    rows, test = rows_of(liquids, species), list(fold.test)
    x, y = columns_of(columns, widths, rows), targets_of(labels, rows)[..., -1]
    standard = standardized(x, fold.train)
    train = _flat(x, fold.train)
    scale = (train - train.mean(axis=0)).std(axis=0)
    mlp, graphs = load_network(network.folder / which), load_network(graph_network.folder / "network.npz")
    snapshots, names = list(state["snapshots"]), columns[0]["names"]
    many = len(names)
    groups = {
        f"{word}, generation {g + 1}": [g * many + k for k, name in enumerate(names) if (name[0] == "G") == dense]
        for g in range(x.shape[2] // many) for word, dense in (("densities", True), ("angles", False))
    }  # fmt: skip
    groups = {name: chosen for name, chosen in groups.items() if chosen}
    own = {name: chosen for name, chosen in groups.items() if max(chosen) < graph_width}
    weights, intercept = ridge["weights"][-1], ridge["intercept"][-1]
    piece = Pieces(checkpoint)

    def importance_of(model: str, *given: Any, repeats: int) -> Any:
        how: dict[str, Any] = {"repeats": repeats, "seed": seed}
        return piece(f"importance, {model}", lambda: permutation_importance(*given, **how))

    found = {
        "ridge": importance_of("ridge", lambda c, z: z @ weights + intercept, list(x[test]), list(y[test]), groups, repeats=repeats),
        "network": importance_of(
            "network", lambda c, z: mlp.predict(z[:, : mlp.n_features_in_]), list(standard[test]), list(y[test]), groups, repeats=repeats
        ),
    }
    whole = [np.asarray(columns[0]["columns"][c][:, :graph_width], np.float64) for c in test]
    wanted = [np.where(snapshots[c].types == species, labels["propensity"][c, -1], np.nan) for c in test]

    def predicted(c: int, z: np.ndarray) -> np.ndarray:
        answer = graphs.predict(snapshots[test[c]], z)
        return answer if answer.ndim == 1 else answer[:, -1]

    found["graph network"] = importance_of(
        "graph network", predicted, whole, wanted, own, [snapshots[c].types for c in test], repeats=max(1, repeats // 2)
    )
    importance = np.full((len(groups), len(found), 2), np.nan)
    for m, by_group in enumerate(found.values()):
        for k, name in enumerate(groups):
            if name in by_group:
                each = by_group[name].mean(axis=1)  # of every permutation
                importance[k, m] = each.mean(), each.std() / np.sqrt(len(each))
    mean_slope = mlp.gradients(_flat(standard, test)[:, : mlp.n_features_in_]).mean(axis=0)
    directions = {
        "ridge": weights * scale,
        "network": np.pad(mean_slope, (0, x.shape[2] - len(mean_slope))),
        "softness": softness_direction(_flat(standard, fold.train), y[list(fold.train)].ravel()),
    }
    cosines = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in directions.values()] for a in directions.values()])
    distance, answer = _answers(graphs, snapshots[test[0]], rows[test[0]][:particles], whole[0], neighbors)
    return {
        "groups": list(groups), "models": list(found), "importance": importance, "directions": list(directions), "cosines": cosines,
        "weights": np.stack(list(directions.values())), "distance": distance, "answer": answer,
    }  # fmt: skip


def _answers(model: Any, snapshot: gg.Snapshot, particles: np.ndarray, x: np.ndarray, neighbors: Any) -> tuple[np.ndarray, np.ndarray]:
    """By distance r_ij, the root mean square over i, j of the norm of d prediction_i / d column_j, columns in units of their
    deviation within the species of j; that of i itself first, at distance 0. Relative to it."""
    spread = np.stack([x[snapshot.types == kind].std(axis=0) for kind in range(int(snapshot.types.max()) + 1)])[snapshot.types]
    slopes = model.gradients(snapshot, particles.tolist(), x, target=model.targets_ - 1) * spread
    size = np.linalg.norm(slopes, axis=2)
    apart = snapshot.positions[particles, None] - snapshot.positions
    apart -= snapshot.box * np.rint(apart / snapshot.box)
    r = np.linalg.norm(apart, axis=2)
    edges = np.arange(0.75, snapshot.box.min() / 2, 0.25)
    at, value = [0.0], [np.sqrt(np.mean(size[r == 0] ** 2))]
    for low, high in itertools.pairwise(edges):
        inside = (r >= low) & (r < high)
        if inside.any():
            at.append((low + high) / 2)
            value.append(np.sqrt(np.mean(size[inside] ** 2)))
    return np.array(at), np.array(value) / value[0]
