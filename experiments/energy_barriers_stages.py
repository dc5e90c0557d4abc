"""Models of the probability to rearrange, and the barriers they see: the calculations of the experiment ``energy_barriers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.softness_stages import AT_ONCE, C, of_a, relaxation_time
from glassgpu.experiments.watched_liquids import opened
from sklearn.feature_selection import RFE

import glassgpu as gg
from glassgpu import dynamics, landscape, models, structure
from glassgpu.descriptors import Softness
from glassgpu.descriptors.softness import RADIAL
from glassgpu.dynamics import Hops
from glassgpu.landscape import TrapModel, recover
from glassgpu.study import Pieces, Result

ORDINARY = 135  # columns of the first generation, which stand first
EPSILON = 0.1  # of the tubes of regressions, in units of logit p_r
COSTS = (1e-3, 1e-2, 1e-1)  # of the linear regression, chosen by snapshots left out
KERNEL_COSTS = (0.3, 3.0)
ALPHAS = (0.01, 0.1, 1.0)
LIKELIHOOD = 0.01  # penalty a sample of the fit of counts
FEWER = (2, 4, 8, 16, 32, 64)  # columns kept by recursive elimination
BINS, FEW_BINS = 40, 10  # TH figure 3.4; and where fewer events fall into each of so many than ...
EVENTS_PER_BIN = 200
RESAMPLED = 12  # for the error of a ceiling


def released(liquids: Result, take: int, time: float, hops: Hops, checkpoint: Path, **given: Any) -> dict[str, Any]:
    """Runs from some of the liquids: in how many each particle rearranges, by three definitions; broken bonds; propensity."""
    snapshots = list(liquids["snapshots"])[:take]
    runs = gg.isoconfigurational(
        snapshot=snapshots, times=[time], labels=("rearrangement", "bond_breaking"), hops=hops, checkpoint=checkpoint, **given
    )
    counts, bonds = runs.rearrangements, runs.bond_breaking
    assert counts is not None and bonds is not None
    kept = np.stack([np.flatnonzero(s.types == 0) for s in snapshots])
    of = {str(name): np.take_along_axis(counts.sel(label=name).values[:, 0], kept, axis=1) for name in counts.label.values}
    more = {"bonds": bonds.values[:, 0], "propensity": runs.propensity.values[:, 0], "standard_error": runs.standard_error.values[:, 0]}
    return {"counts": of, "kept": kept, **{name: np.take_along_axis(x, kept, axis=1) for name, x in more.items()}, "snapshots": snapshots}


def structure_of(runs: Result, species: Sequence[str], backend: str) -> dict[str, Any]:
    """(snapshot, A, 405) columns of ``Softness`` with two higher orders."""
    columns = Softness(species, generations=3, backend=backend)(list(runs["snapshots"])).values
    return {"columns": np.take_along_axis(columns, runs["kept"][:, :, None], axis=1)}


class Standardised:
    """A model of columns that were standardised with mean and deviation of its training rows; storable."""

    def __init__(self, model: Any, x: np.ndarray, y: np.ndarray | None = None):
        self.mean, self.deviation, self.model = x.mean(axis=0), x.std(axis=0), model
        self.deviation[x.max(axis=0) == x.min(axis=0)] = 1.0
        self.columns = np.arange(x.shape[1])
        if y is not None:
            model.fit(self.scaled(x), y)

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Rows in deviations from the mean."""
        return (x - self.mean) / self.deviation

    def output(self, x: np.ndarray) -> np.ndarray:
        """(rows,) predictions, or decision function of a classifier, of rows whose first columns, or chosen ones, are the model's."""
        scaled = self.scaled(x[:, self.columns])
        return self.model.decision_function(scaled) if hasattr(self.model, "decision_function") else self.model.predict(scaled)

    def kept(self) -> dict[str, Any]:
        """In what a stage can store."""
        fitted = {name: value for name, value in vars(self.model).items() if name not in self.model.get_params()}
        plain = {name: list(value) if isinstance(value, (list, tuple)) else value for name, value in fitted.items()}
        named = {"class": type(self.model).__name__, "parameters": {k: v for k, v in self.model.get_params().items() if k != "hidden"}}
        return {**named, "fitted": plain, "mean": self.mean, "deviation": self.deviation, "columns": self.columns}

    @classmethod
    def from_kept(cls, kept: Mapping[str, Any]) -> Standardised:
        """A stored model."""
        out = cls.__new__(cls)
        out.mean, out.deviation, out.columns = kept["mean"], kept["deviation"], kept["columns"]
        out.model = getattr(models, kept["class"])(**kept["parameters"])
        for name, value in kept["fitted"].items():
            setattr(out.model, name, value)
        return out


def targets(runs: Result, label: str, replicas: int) -> np.ndarray:
    """(snapshot, A) what is regressed on: the log-odds of counts; of the share of bonds left and of the propensity minus the
    logarithm and the logarithm, in deviations from their mean, so that one tube fits all."""
    if label in runs["counts"]:
        return dynamics.logit(runs["counts"][label], replicas)
    y = -np.log(np.maximum(runs["bonds"], 1e-3)) if label == "bonds" else np.log(runs["propensity"])
    return (y - y.mean()) / y.std()


def _left_out(make: Any, x: np.ndarray, y: np.ndarray, piece: Pieces, name: str) -> np.ndarray:
    """(snapshot, A) predictions by models of the other snapshots, each a piece of the stage."""

    def one(k: int) -> dict[str, Any]:
        others = np.arange(len(y)) != k
        return {"output": Standardised(make(), x[others].reshape(-1, x.shape[2]), y[others].ravel()).output(x[k])}

    return np.stack([piece(f"{name}, without {k}", partial(one, k))["output"] for k in range(len(y))])


def _chosen(candidates: Mapping[str, Any], x: np.ndarray, y: np.ndarray, piece: Pieces, of: str) -> tuple[str, Any, np.ndarray]:
    """The candidate of the best Pearson coefficient on snapshots left out, and its predictions of these."""
    best: tuple[float, str, Any, np.ndarray] | None = None
    for name, make in candidates.items():
        out = _left_out(make, x, y, piece, f"{of}, {name}")
        score = float(np.nan_to_num(np.mean([gg.evaluate.pearson(a, b) for a, b in zip(y, out, strict=True)]), nan=-1.0))
        if best is None or score > best[0]:
            best = (score, name, make, out)
    assert best is not None
    return best[1:]


def regressed(runs: Result, columns: Result, replicas: int, epochs: int, seed: int, checkpoint: Path | None) -> dict[str, Any]:
    """Regressions on log-odds of rearranging: linear and not, on other columns, on other labels.

    Returns:
        ``models`` by name, each with its stored form, what was chosen, and its predictions of snapshots left out.
    """
    every = columns["columns"]
    x, y = every[:, :, :ORDINARY], targets(runs, "p_hop", replicas)
    n = y.size

    def linear(cost: float) -> Any:
        return lambda: models.LinearSVR(C=cost, epsilon=EPSILON)

    def kernel(cost: float) -> Any:
        return lambda: models.KernelSVR(C=cost, epsilon=EPSILON)

    def network(share: float) -> Any:
        return lambda: models.MLPRegressor(parameters=max(200, round(share * n)), layers=5, epochs=epochs, seed=seed, progress=False)

    out: dict[str, Any] = {}
    piece = Pieces(checkpoint)

    def keep(name: str, candidates: Mapping[str, Any], x: np.ndarray, y: np.ndarray) -> None:
        chosen, make, guesses = _chosen(candidates, x, y, piece, name)
        kept = piece(f"{name}, whole", lambda: Standardised(make(), x.reshape(n, -1), y.ravel()).kept())
        out[name] = {"kept": kept, "chosen": chosen, "left_out": guesses}

    costs = {f"C = {c:g}": linear(c) for c in COSTS}
    keep("SVR", costs, x, y)
    keep("ridge", {f"alpha = {a:g}": (lambda a=a: models.Ridge(alpha=a)) for a in ALPHAS}, x, y)
    keep("RBF SVR", {f"C = {c:g}": kernel(c) for c in KERNEL_COSTS}, x, y)
    for name, share in (("MLP", 1.0), ("MLP half", 0.5), ("MLP double", 2.0)):
        keep(name, {f"{share:g} parameters an example": network(share)}, x, y)
    keep("higher orders", costs, every, y)
    for label in ("any", "csd", "bonds", "propensity"):
        keep(f"label {label}", costs, x, targets(runs, label, replicas))
    cost = float(str(out["SVR"]["chosen"]).split()[-1])
    scale = Standardised(None, x.reshape(n, -1))

    def ranked(few: int) -> dict[str, Any]:
        fewer = RFE(models.LinearSVR(C=cost, epsilon=EPSILON), n_features_to_select=few, step=0.25)
        return {"columns": np.flatnonzero(fewer.fit(scale.scaled(x.reshape(n, -1)), y.ravel()).support_)}

    for few in FEWER:
        columns_kept = piece(f"{few} columns", partial(ranked, few))["columns"]
        made = Standardised(models.LinearSVR(C=cost, epsilon=EPSILON), x.reshape(n, -1)[:, columns_kept], y.ravel())
        made.columns = columns_kept
        out[f"{few} columns"] = {
            "kept": made.kept(),
            "chosen": f"{few} columns",
            "left_out": _left_out(linear(cost), x[:, :, columns_kept], y, piece, f"{few} columns"),
        }
    return {"models": out, "binomial": _by_likelihood(x, runs["counts"]["p_hop"], replicas)}


def _by_likelihood(x: np.ndarray, counts: np.ndarray, replicas: int) -> np.ndarray:
    """(snapshot, A) log-odds predicted by a fit of the binomial likelihood of the counts to the other snapshots."""
    out = np.zeros(counts.shape)
    for k in range(len(counts)):
        others = np.arange(len(counts)) != k
        rows = x[others].reshape(-1, x.shape[2])
        scale = Standardised(None, rows)
        fit = models.binomial_fit(scale.scaled(rows), counts[others].ravel(), replicas, LIKELIHOOD)
        out[k] = fit(scale.scaled(x[k]))
    return out


def with_classifier(columns: Result, examples: Result, structure: Result) -> dict[str, Any]:
    """The classifier of softness on all columns, as the others are kept, and those that have not seen one of the liquids each:
    they tell of its frames, and of the released snapshot that begins them."""
    table, x = examples["sets"]["thermal"], columns["columns"]["thermal"]

    def classified(rows: np.ndarray) -> Standardised:
        return Standardised(models.LinearSVC(C=C, loss="hinge"), x[rows], table["label"][rows])

    others = {int(k): classified(table["run"] != k) for k in np.unique(table["run"])}
    whole = classified(np.ones(len(x), bool))
    guesses = [others.get(k, whole).output(snapshot) for k, snapshot in enumerate(structure["columns"][:, :, :ORDINARY])]
    return {"kept": whole.kept(), "left_out": np.stack(guesses), "of_others": {str(k): m.kept() for k, m in others.items()}}


def outputs(
    frames: Result, classifier: Result, fits: Result, hops: Hops, lead: int, count: int, training: bool, wavenumber: float,
    species: Sequence[str], backend: str, checkpoint: Path,
) -> dict[str, Any]:  # fmt: skip
    """What every model says of all A particles in some frames, and whether they rearrange ``lead`` frames later; in frames that
    the classifier learned from (``training``), what the one says that has not seen the liquid.

    Returns:
        ``projection`` (model, run, frame, A) float32, ``rearranges`` and ``csd`` (run, frame, A) bool, ``frames``, ``names``,
        ``tau_alpha`` in frames.
    """
    store, describe = opened(frames), Softness(species, generations=3, backend=backend)
    half, tau = hops.half_window, relaxation_time(store, wavenumber) / store.interval
    first, end = max(0, half - lead), store.frames - half - lead
    if training:  # regressions know the snapshots that the first two runs begin with: those must be forgotten
        first = max(first, min(int(np.ceil(2 * tau)), end // 2))
    possible = np.arange(first, end)
    chosen = possible[np.unique(np.linspace(0, len(possible) - 1, min(count, len(possible))).astype(int))]
    fitted = {"SVC": Standardised.from_kept(classifier["kept"])}
    fitted |= {name: Standardised.from_kept(found["kept"]) for name, found in fits["models"].items()}
    projection, rearranges, moved = [], [], []
    piece = Pieces(checkpoint)

    def projected(run: int, kept: np.ndarray) -> dict[str, Any]:
        parts = []
        for first in range(0, len(chosen), AT_ONCE // 2):
            some = describe(store.snapshots(run, chosen[first : first + AT_ONCE // 2])).values[:, kept]
            flat = some.reshape(-1, some.shape[2])
            said = [m.output(flat[:, : max(ORDINARY, m.columns.max() + 1)]).reshape(some.shape[:2]) for m in fitted.values()]
            parts.append(np.stack(said).astype(np.float32))
        return {"projection": np.concatenate(parts, axis=1)}

    for run, (kept, p_hop) in enumerate(of_a(store)):
        if training:
            fitted["SVC"] = Standardised.from_kept(classifier["of_others"].get(str(run), classifier["kept"]))
        projection.append(piece(f"run {run}", partial(projected, run, kept))["projection"])
        rearranges.append(p_hop[chosen + lead] > hops.threshold)
        csd = store.cumulative_squared_displacement(run)[:, kept]
        moved.append(csd[chosen + lead + half] > hops.squared_displacement)
    return {
        "projection": np.stack(projection, axis=1), "rearranges": np.stack(rearranges), "csd": np.stack(moved), "frames": chosen,
        "names": list(fitted), "tau_alpha": tau,
    }  # fmt: skip


def explained(runs: Result, columns: Result, classifier: Result, fits: Result, replicas: int, training: bool) -> dict[str, Any]:
    """Pearson coefficients, explained variance and spread of every model on snapshots that it has not seen, beside their ceilings."""
    every, counts = columns["columns"], runs["counts"]["p_hop"]
    y, v = dynamics.logit(counts, replicas), dynamics.logit_variance(counts, replicas)
    reliability = dynamics.logit_reliability(counts, replicas)
    variance = dynamics.logit_normal(counts.ravel(), replicas)[1]
    bins = BINS if counts.sum() >= EVENTS_PER_BIN * BINS else FEW_BINS
    out: dict[str, Any] = {}
    for name in ("SVC", *fits["models"]):
        found = classifier if name == "SVC" else fits["models"][name]
        model = Standardised.from_kept(found["kept"])
        guesses = found["left_out"] if training else np.stack([model.output(x[:, : max(ORDINARY, model.columns.max() + 1)]) for x in every])
        share = landscape.explained_variance(guesses.ravel(), y.ravel(), v.ravel(), bins=BINS)
        latent = landscape.explained_by_likelihood(guesses.ravel(), counts.ravel(), replicas, bins=bins)
        spread = landscape.eta(guesses.ravel(), y.ravel(), v.ravel(), variance=variance) if variance > 0 else None
        out[name] = {
            "pearson": np.array([gg.evaluate.pearson(a, b) for a, b in zip(guesses, y, strict=True)]),
            "explained": latent.value, "error": latent.standard_error, "by_moments": share.value, "measured": share.measured,
            "eta": float("nan") if spread is None else spread.value, "reason": latent.reason,
        }  # fmt: skip
    random = np.random.default_rng(0)
    ceiling, pooled = [], []
    for k in range(1 + RESAMPLED):
        drawn = random.integers(0, counts.shape[1], counts.shape[1]) if k else slice(None)
        ceiling.append(np.mean([dynamics.logit_ceiling(c[drawn], replicas) for c in counts]))
        pooled.append(dynamics.logit_ceiling(counts[:, drawn].ravel(), replicas) ** 2)
    return {
        "models": out, "reliability": reliability, "ceiling": float(ceiling[0]), "ceiling_error": float(np.std(ceiling[1:], ddof=1)),
        "ceiling_share": pooled[0], "ceiling_share_error": float(np.std(pooled[1:], ddof=1)), "structural_variance": dynamics.structural_variance(counts, replicas), "mean_p": counts.mean() / replicas,
        "csd_over_p_hop": float(runs["counts"]["csd"].sum() / max(1, counts.sum())), "any_over_p_hop": float(runs["counts"]["any"].sum() / max(1, counts.sum())),
    }  # fmt: skip


# ---------------------------------------------------------------- inherent and thermal propensity (TH figure 3.8)


def kept_runs(liquids: Result, checkpoint: Path, **given: Any) -> dict[str, Any]:
    """Positions of many runs of a few liquids, (configuration, replica, time, N, d) float32, as displacements."""
    start = list(liquids["snapshots"])
    runs = gg.simulate.md(snapshot=start, keep_positions=True, checkpoint=checkpoint, **given)
    assert runs.positions is not None
    moved = np.stack([x - s.positions for x, s in zip(runs.positions, start, strict=True)])
    return {"moved": moved.astype(np.float32), "times": runs.times}


def propensities(liquids: Result, runs: Result, system: gg.System, checkpoint: Path, backend: str) -> dict[str, Any]:
    """Propensity between thermal states and between inherent states, and the variance of either mean, (configuration, time, N)."""
    start = list(liquids["snapshots"])
    moved = runs["moved"].astype(float)
    c, replicas, times = moved.shape[:3]
    later = [
        gg.Snapshot(s.positions + moved[k, r, t], s.types, s.box)
        for k, s in enumerate(start)
        for r in range(replicas)
        for t in range(times)
    ]
    settled = structure.inherent_structure(
        system, [*start, *later], force_tolerance=1e-2, precision="single", checkpoint=checkpoint, backend=backend
    )
    assert isinstance(settled, list)
    first, rest = settled[:c], settled[c:]
    out: dict[str, list] = {name: [] for name in ("thermal", "thermal_variance", "inherent", "inherent_variance")}
    for k, s in enumerate(start):
        fell = _nearest(first[k].positions - s.positions, s.box)
        minima = np.zeros_like(moved[k])
        for r in range(replicas):
            for t in range(times):
                here = later[(k * replicas + r) * times + t]
                end = rest[(k * replicas + r) * times + t]
                minima[r, t] = moved[k, r, t] + _nearest(end.positions - here.positions, s.box) - fell
        for name, x in (("thermal", moved[k]), ("inherent", minima)):
            mean, variance = dynamics.propensity(np.zeros_like(s.positions), x)
            out[name].append(mean)
            out[f"{name}_variance"].append(variance)
    return {**{name: np.stack(values) for name, values in out.items()}, "minima": first, "times": runs["times"]}


def _nearest(apart: np.ndarray, box: np.ndarray) -> np.ndarray:
    return apart - box * np.rint(apart / box)


def radial_for(box: np.ndarray) -> tuple[float, float, int, float]:
    """The radial columns of ``Softness`` as far as they fit into a box: the outermost shell ends five widths beyond its centre."""
    first, last, number, width = RADIAL
    step = (last - first) / (number - 1)
    fitting = min(number, int((box.min() / 2 - 5 * width - first) / step) + 1)
    return first, first + (fitting - 1) * step, fitting, width


def transferred(liquids: Result, found: Result, at: int, species: Sequence[str], backend: str, checkpoint: Path) -> dict[str, Any]:
    """Pearson coefficients with the inherent propensity at every time, on liquids left out: of a regression of thermal columns on
    the thermal propensity at one time, and of regressions of either state's columns on each inherent propensity itself."""
    start = list(liquids["snapshots"])
    kept = np.stack([np.flatnonzero(s.types == 0) for s in start])
    describe = Softness(species, radial=radial_for(start[0].box), backend=backend)
    columns = {
        name: np.take_along_axis(describe(s).values, kept[:, :, None], axis=1)
        for name, s in (("thermal", start), ("inherent", list(found["minima"])))
    }
    label = {name: np.take_along_axis(np.log(found[name]), kept[:, None], axis=2) for name in ("thermal", "inherent")}

    def make() -> Any:
        return models.LinearSVR(C=C, epsilon=EPSILON)

    piece = Pieces(checkpoint)
    times = len(found["times"])
    one = _left_out(make, columns["thermal"], label["thermal"][:, at], piece, "thermal")
    score: dict[str, list] = {"thermal model": [], "inherent model": [], "thermal columns, inherent label": []}
    for t in range(times):
        truth = np.exp(label["inherent"][:, t])
        guesses = {
            "thermal model": one, "inherent model": _left_out(make, columns["inherent"], label["inherent"][:, t], piece, f"inherent {t}"),
            "thermal columns, inherent label": _left_out(make, columns["thermal"], label["inherent"][:, t], piece, f"thermal of inherent {t}"),
        }  # fmt: skip
        for name, guess in guesses.items():
            score[name].append([gg.evaluate.pearson(a, b) for a, b in zip(truth, np.exp(guess), strict=True)])
    types = np.zeros(kept.shape[1], np.int32)
    ceiling = [
        [dynamics.noise_ceiling(np.take_along_axis(found[n], kept[:, None], axis=2)[k], np.take_along_axis(found[f"{n}_variance"], kept[:, None], axis=2)[k], types, 1)[:, 0] for k in range(len(start))]
        for n in ("inherent", "thermal")
    ]  # fmt: skip
    return {
        "pearson": {n: np.array(s) for n, s in score.items()},
        "ceiling": np.array(ceiling[0]),
        "thermal_ceiling": np.array(ceiling[1]),
        "times": found["times"],
        "columns": len(describe.columns),
        "reach": describe.radial[1],
    }


def calibrated(noises: Sequence[float], seeds: int, checkpoint: Path) -> dict[str, Any]:
    """The pipeline on traps whose barriers are known, with more and more noise in them that no column explains."""
    piece = Pieces(checkpoint)

    def recovered(noise: float, seed: int) -> dict[str, Any]:
        model = TrapModel(noise=noise)
        found = recover(model, seed=seed, resamples=30)
        explained = model.e1**2 / (model.e1**2 + noise**2)
        return {
            "row": [noise, seed, found.correlation, found.barriers.linear.e1 / model.e1, found.share, explained, found.onset.temperature]
        }

    states = [(noise, seed) for noise in noises for seed in range(1, seeds + 1)]
    return {"rows": np.array([piece(f"noise {noise:g}, seed {seed}", partial(recovered, noise, seed))["row"] for noise, seed in states])}
