"""Softness and fluidity: examples, columns, hyperplanes, and P(R | S). The calculations of the experiment ``softness``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments.watched_liquids import opened
from sklearn.metrics import balanced_accuracy_score

import glassgpu as gg
from glassgpu import dynamics, landscape
from glassgpu.descriptors import Softness
from glassgpu.dynamics import Hops, events
from glassgpu.models import Hyperplane, LinearSVC
from glassgpu.study import Pieces, Result

C = 0.01  # TH section 2.2.3
INHERENT_LIMIT, INHERENT_SPELL = 0.0085, 120.0  # project notes, section 4, rule (a)
AT_ONCE = 16  # frames described together
SHUFFLES = 10  # of all labels: a judge that had seen what it judges would know them too
RADIAL = 100  # the columns of TH chapter 2, which stand first


def of_a(frames: gg.io.Frames) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each run the numbers of its A particles, and their p_hop (frame, A)."""
    out = []
    for run in range(frames.runs):
        kept = np.flatnonzero(frames.types[run] == 0)
        out.append((kept, frames.p_hop(run)[:, kept]))
    return out


def relaxation_time(frames: gg.io.Frames, wavenumber: float) -> float:
    """When F_s(k, t) of A falls to 1 / e, over all origins: at least one interval, at most the length of the run."""
    lags = np.unique(np.geomspace(1, frames.frames - 1, 24).astype(int))
    values = np.zeros(len(lags))
    for run in range(frames.runs):
        x = frames.unwrapped(run)[:, frames.types[run] == 0]
        for k, lag in enumerate(lags):
            values[k] += dynamics.self_intermediate_scattering(
                x[lag:][:: max(1, lag // 4)] - x[:-lag][:: max(1, lag // 4)], wavenumber
            ).mean()
    values /= frames.runs
    if values[0] < np.exp(-1):
        return frames.interval
    found = dynamics.relaxation_time(lags * frames.interval, values)
    return float(found) if np.isfinite(found) else float(frames.times[-1])


def _found(frames: gg.io.Frames, pick: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames and particles of each run that ``pick(p_hop)`` chooses among the A particles."""
    out = []
    for kept, p_hop in of_a(frames):
        frame, particle = pick(p_hop)
        out.append((frame, kept[particle]))
    return out


def _tabled(examples: events.Examples) -> dict[str, Any]:
    return {name: getattr(examples, name) for name in ("run", "frame", "particle", "label")} | {"provenance": dict(examples.provenance)}


def thermal_examples(
    frames: Result,
    hops: Hops,
    lead: int,
    spell: float,
    limits: Sequence[float],
    wavenumber: float,
    most: int,
    seed: int,
    late: int | None = None,
) -> dict[str, Any]:
    """Rearranging and quiet particles of thermal frames (project notes, section 4, rule (b)); with ``late``, by another lead too."""
    thermal = opened(frames)
    tau = relaxation_time(thermal, wavenumber)
    least = max(1, round(min(spell, 2 * tau) / thermal.interval))
    active = _found(thermal, lambda p: events.hop_events(p, hops.threshold))
    limit = events.quiet_limit([p for _, p in of_a(thermal)], sum(len(f) for f, _ in active), least, limits)
    rule = "smallest limit with as many quiet spells as rearrangements"
    if limit is None:
        limit, rule = float(limits[-1]), "largest limit allowed: fewer quiet spells than rearrangements"
    quiet = _found(thermal, lambda p: events.quiet_spells(p, limit, least))
    about: dict[str, Any] = {
        "most": most,
        "seed": seed,
        "threshold": hops.threshold,
        "quiet_below": limit,
        "quiet_for": least,
        "rule": rule,
    }
    leads = {"thermal": lead} if late is None else {"thermal": lead, "thermal late": late}
    sets = {name: _tabled(events.balanced_examples(active, quiet, lead=before, **about)) for name, before in leads.items()}
    return {"sets": sets, "tau_alpha": tau, "quiet_limit": limit, "quiet_frames": least}


def cold_examples(
    frames: Result, inherent: Result, hops: Hops, lead: int, late: int, spell: float, most: int, seed: int, **thermal: Any
) -> dict[str, Any]:
    """The same of the coldest liquids, and of their inherent structures by rule (a)."""
    out = thermal_examples(frames, hops, lead, spell, most=most, seed=seed, late=late, **thermal)
    store, minima = opened(frames), opened(inherent)
    least = max(1, round(min(spell, INHERENT_SPELL) / store.interval))
    active = _found(minima, lambda p: events.hop_events(p, hops.threshold))
    quiet = _found(minima, lambda p: events.quiet_spells(p, INHERENT_LIMIT, least))
    about: dict[str, Any] = {"most": most, "seed": seed, "threshold": hops.threshold, "quiet_below": INHERENT_LIMIT, "quiet_for": least}
    for name, before in (("inherent", lead), ("inherent late", late)):
        out["sets"][name] = _tabled(events.balanced_examples(active, quiet, lead=before, **about))
    of_thesis = [len(events.quiet_spells(p, INHERENT_LIMIT, least)[0]) for _, p in of_a(store)]
    longest = max(_longest(p < INHERENT_LIMIT) for _, p in of_a(store))
    return {**out, "thesis_quiet_spells": int(sum(of_thesis)), "longest_quiet": longest}


def _longest(inside: np.ndarray) -> int:
    """Frames of the longest unbroken stretch of True along axis 0."""
    run, longest = np.zeros(inside.shape[1], int), 0
    for row in inside:
        run = np.where(row, run + 1, 0)
        longest = max(longest, int(run.max()))
    return longest


def hot_examples(frames: Result, lead: int, share: float, seed: int) -> dict[str, Any]:
    """Extremes of p_hop above the onset: both tails, and either of them against the median."""
    thermal = opened(frames)
    values = [p for _, p in of_a(thermal)]
    low, high = events.extreme_limits(values, share)
    known = np.concatenate([p[np.isfinite(p)] for p in values])
    middle = np.quantile(known, [0.5 - share / 2, 0.5 + share / 2])
    slow, fast, usual = (
        _found(thermal, lambda p, pick=pick: np.nonzero(pick(p)))
        for pick in (lambda p: p < low, lambda p: p > high, lambda p: (p >= middle[0]) & (p <= middle[1]))
    )
    pairs = {"both tails": (fast, slow), "high tail": (fast, usual), "low tail": (usual, slow)}
    sets = {
        name: events.balanced_examples(up, down, lead=lead, quiet_lead=lead, seed=seed, low=low, high=high, share=share)
        for name, (up, down) in pairs.items()
    }
    return {"sets": {name: _tabled(e) for name, e in sets.items()}, "low": low, "high": high}


def described(frames: Result, examples: Result, species: Sequence[str], backend: str, of: str = "") -> dict[str, Any]:
    """Columns of the sets of a stage whose names begin with ``of``; frames that several sets need are read once."""
    sets = {name: e for name, e in examples["sets"].items() if name.startswith(of)}
    ends = np.cumsum([0, *(len(e["run"]) for e in sets.values())])
    every = {part: np.concatenate([e[part] for e in sets.values()]) for part in ("run", "frame", "particle")}
    columns = opened(frames).columns(Softness(species, backend=backend), **every)
    return {"columns": {name: columns[a:b] for name, a, b in zip(sets, ends, ends[1:], strict=False)}}


def classifier(x: np.ndarray, y: np.ndarray) -> Hyperplane:
    """The thesis' classifier."""
    return Hyperplane.fitted(LinearSVC(C=C, loss="hinge"), x, y)


def plane_of(kept: Mapping[str, Any]) -> Hyperplane:
    """A stored hyperplane."""
    return Hyperplane(kept["mean"], kept["deviation"], kept["weights"], kept["bias"])


def kept_plane(plane: Hyperplane) -> dict[str, Any]:
    """A hyperplane as a stage stores it."""
    return {"mean": plane.mean, "deviation": plane.deviation, "weights": plane.weights, "bias": plane.bias}


def left_out(x: np.ndarray, y: np.ndarray, run: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Hyperplane]]:
    """Balanced accuracy on each run by a classifier of the others, w.F of every example by the one that has not seen its run, and
    these classifiers by run."""
    accuracy, projection, planes = [], np.zeros(len(y)), {}
    for train, test in gg.evaluate.split(run, "by_configuration"):
        plane = classifier(x[train], y[train])
        planes[str(run[test[0]])] = plane
        projection[test] = plane.projection(x[test])
        accuracy.append(balanced_accuracy_score(y[test], plane.score(x[test]) > 0))
    return np.array(accuracy), projection, planes


def classified(columns: Result, examples: Result, curve: Sequence[int], seed: int, radial: bool = True) -> dict[str, Any]:
    """Classifiers of each set: with whole runs left out, with later times left out, with shuffled labels, with fewer examples."""
    out: dict[str, Any] = {}
    random = np.random.default_rng([seed, 11])
    for name, every in columns["columns"].items():
        table = examples["sets"][name]
        y, run = table["label"], table["run"]
        x = every[:, :RADIAL] if radial else every
        accuracy, projection, planes = left_out(x, y, run)
        early, late = apart_in_time(table)
        by_time = (
            balanced_accuracy_score(y[late], classifier(x[early], y[early]).score(x[late]) > 0)
            if _both(y[early]) and _both(y[late])
            else np.nan
        )
        learning = []
        for size in (s for s in curve if 2 * s <= len(y) * (1 - 1 / len(np.unique(run)))):
            scores = []
            for train, test in gg.evaluate.split(run, "by_configuration"):
                chosen = np.concatenate([random.permutation(train[y[train] == k])[:size] for k in (0, 1)])
                scores.append(balanced_accuracy_score(y[test], classifier(x[chosen], y[chosen]).score(x[test]) > 0))
            learning.append((size, float(np.mean(scores)), float(np.std(scores) / np.sqrt(len(scores)))))
        scan = landscape.bias_scan(projection, y)
        out[name] = {
            "plane": kept_plane(classifier(x, y)), "accuracy": accuracy, "by_time": float(by_time), "learning": np.array(learning).reshape(-1, 3),
            "shuffled": np.mean([left_out(x, random.permutation(y), run)[0] for _ in range(SHUFFLES)], axis=0), "scan_bias": scan.bias, "scan_accuracy": scan.accuracy,
            "best_bias": scan.best_bias, "best_accuracy": scan.best_accuracy, "projection": projection,
            "of_others": {k: kept_plane(plane) for k, plane in planes.items()},
        }  # fmt: skip
        if radial:
            out[name]["with_angular"] = left_out(every, y, run)[0]
    return out


def apart_in_time(table: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Which examples are early and which are late; of a particle that stays all along only the early ones."""
    frame, quiet = table["frame"], table["label"] == 0
    early, late = frame < np.median(frame) - 10, frame > np.median(frame) + 10
    who = table["run"] * (table["particle"].max() + 1) + table["particle"]
    return early, late & ~(quiet & np.isin(who, who[early & quiet]))


def _both(y: np.ndarray) -> bool:
    return 0 < y.sum() < len(y)


def scored(
    frames: Result, planes: Mapping[str, Mapping[str, Any]], hops: Hops, lead: int, every: int, wavenumber: float, species: Sequence[str],
    backend: str, checkpoint: Path, of_others: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """w.F of every A particle in every so many-th frame by each hyperplane, and whether it rearranges ``lead`` frames later.

    Args:
        of_others: by name of plane and run, planes that have not seen the run, which take the place of those learned from it.

    Returns:
        ``projection`` (plane, run, frame, A) float32, ``rearranges`` (run, frame, A) bool, ``frames`` (frame,), ``names``,
        ``tau_alpha`` in frames.
    """
    store, describe = opened(frames), Softness(species, angular=False, backend=backend)
    chosen = np.arange(max(0, hops.half_window - lead), store.frames - hops.half_window - lead, every)
    names, projection, rearranges = list(planes), [], []
    piece = Pieces(checkpoint)

    def projected(run: int, kept: np.ndarray) -> dict[str, Any]:
        parts = []
        mine = [plane_of((of_others or {}).get(name, {}).get(str(run), planes[name])) for name in names]
        for first in range(0, len(chosen), AT_ONCE):
            columns = describe(store.snapshots(run, chosen[first : first + AT_ONCE])).values[:, kept]
            parts.append(np.stack([plane.projection(columns) for plane in mine]).astype(np.float32))
        return {"projection": np.concatenate(parts, axis=1)}

    for run, (kept, p_hop) in enumerate(of_a(store)):
        projection.append(piece(f"run {run}", partial(projected, run, kept))["projection"])
        rearranges.append(p_hop[chosen + lead] > hops.threshold)
    return {
        "projection": np.stack(projection, axis=1), "rearranges": np.stack(rearranges), "frames": chosen, "names": names,
        "tau_alpha": relaxation_time(store, wavenumber) / store.interval,
    }  # fmt: skip


def blocks(runs: int, frames: np.ndarray, memory: float) -> np.ndarray:
    """(runs * frames,) int64: which block each frame of each run belongs to; a block lasts two relaxation times, or the whole run.

    Args:
        frames: their numbers, ascending.
        memory: the relaxation time, in frames.
    """
    stretches = max(1, int((frames[-1] - frames[0]) / (2 * memory)))
    stretch = np.arange(len(frames)) * stretches // len(frames)
    return (np.arange(runs)[:, None] * stretches + stretch).ravel()


def mapped(
    scores: Mapping[str, Result],
    temperatures: Sequence[float],
    plane: str,
    low: float,
    high: float,
    bins: int,
    least: int,
    resamples: int,
    seed: int,
    shuffle: bool = False,
    below: float | None = None,
    label: str = "rearranges",
) -> dict[str, Any]:
    """P(R | S) of a hyperplane at several temperatures, the barriers, and the onset; S in units of w.F.

    Bins are equally wide between two quantiles of w.F at the lowest temperature; errors are those between blocks, which are
    configurations times stretches of two relaxation times or more.
    """
    parts = []
    edges = None
    for t in sorted(temperatures):
        result = scores[f"{t:g}"]
        s = result["projection"][list(result["names"]).index(plane)].astype(float)
        runs, frames, particles = s.shape
        if edges is None:
            ends = np.quantile(s, [low, high])
            flat_model = ends[1] <= ends[0]  # one that says the same of everybody has no landscape, which the fits will tell
            edges = np.linspace(ends[0] - flat_model, ends[1] + flat_model, bins + 1)
        block = np.repeat(blocks(runs, result["frames"], result["tau_alpha"]), particles)
        flat = s.ravel()
        if shuffle:
            flat = landscape.shuffled(flat, np.repeat(np.arange(runs * frames), particles), seed)
        parts.append(landscape.rearrangement_probability(flat, result[label].ravel(), edges, temperature=t, block=block))
    probability = landscape.joined(parts)
    onset = landscape.onset_temperature(probability, errors="pooled", least_events=least, resamples=resamples, seed=seed, below=below)
    fit = onset.barriers
    line = fit.linear
    enough = len(np.unique(probability.level)) and np.bincount(probability.level).min() > 2 and fit.spare.sum() > 0
    chi2, spare = landscape.shared_chi2(probability, fit) if enough else (np.nan, 1)
    return {
        "temperatures": probability.temperatures, "edges": probability.edges, "score": probability.score, "probability": probability.probability,
        "error": probability.pooled_error, "events": probability.events, "used": fit.used, "bin_score": fit.score, "energy": fit.energy,
        "energy_error": fit.energy_error, "entropy": fit.entropy, "entropy_error": fit.entropy_error, "reduced_chi2": fit.reduced_chi2, "shared_chi2": chi2 / spare,
        "linear": {"e0": line.e0, "e1": line.e1, "s0": line.s0, "s1": line.s1, "errors": line.errors},
        "onset": {"temperature": onset.temperature, "error": onset.standard_error, "low": onset.low, "high": onset.high, "reason": onset.reason},
    }  # fmt: skip
