"""What follows from the stages of ``memory``: how groups become like others, and what a cycle leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize

from glassgpu import dynamics, landscape, protocols
from glassgpu.study import Result

if TYPE_CHECKING:
    from glassgpu.experiments.memory import Cycle

TAU_BETA = 1.0  # rattling in the cage
GONE = 0.1  # of the excess


def excess(found: Result) -> tuple[np.ndarray, np.ndarray]:
    """What is left of the groups' distances from their mean, one at time 0, (time,), and its standard error between liquids: the
    slope of what they are against what they were."""
    start = found["start"] - found["start"].mean(axis=1, keepdims=True)  # (liquid, group)
    now = found["softness"].mean(axis=1)
    now = now - now.mean(axis=2, keepdims=True)
    each = np.einsum("ltg,lg->lt", now, start) / (start**2).sum(axis=1)[:, None]
    return each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(len(each))


def scattering(found: Result) -> tuple[np.ndarray, float]:
    """F_s of A, (time,), and tau_alpha, infinite where it is longer than the run."""
    f = found["scattering"].mean(axis=(0, 1))
    tau = float(dynamics.relaxation_time(found["times"], f))
    return f, tau if np.isfinite(tau) else np.inf


def falls_to(times: np.ndarray, values: np.ndarray, level: float) -> float:
    """When values first fall to a level, by their logarithm of time; NaN if never."""
    below = np.flatnonzero(values < level)
    if not len(below) or below[0] == 0:
        return np.nan
    k = below[0]
    share = (values[k - 1] - level) / (values[k - 1] - values[k])
    return float(np.exp(np.log(times[k - 1]) + share * np.log(times[k] / times[k - 1])))


def apart(share: np.ndarray) -> float:
    """The largest distance of a snapshot from the mean of all, in standard errors, from (snapshot, part)."""
    n = len(share)
    variance = share.var(axis=1, ddof=1) / share.shape[1]
    error = np.sqrt(variance * (1 - 2 / n) + variance.mean() / n)  # a snapshot is part of the mean
    return float(np.abs((share.mean(axis=1) - share.mean()) / error).max())


def stretched(times: np.ndarray, values: np.ndarray, first: float, last: float) -> float:
    """As ``straightness``, of a fitted stretched exponential."""
    inside = (times >= first * 0.999) & (times <= last * 1.001)
    if inside.sum() < 4:
        return np.nan
    t, y = times[inside], values[inside]

    def law(t: np.ndarray, a: float, tau: float, b: float) -> np.ndarray:
        return a * np.exp(-((t / tau) ** b))

    try:
        found, _ = scipy.optimize.curve_fit(law, t, y, (max(y[0], 1e-3), last, 0.5), bounds=([0, 1e-3, 0.05], [5, 1e6, 1.5]))
    except RuntimeError:
        return np.nan
    return float(1 - ((y - law(t, *found)) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def straightness(times: np.ndarray, values: np.ndarray, first: float, last: float) -> float:
    """Squared correlation of values with ln t between two times; NaN of fewer than four points."""
    inside = (times >= first * 0.999) & (times <= last * 1.001)
    return float(np.corrcoef(np.log(times[inside]), values[inside])[0, 1] ** 2) if inside.sum() >= 4 else np.nan


@dataclass(frozen=True, eq=False)
class Cycled:
    """One cycle, judged.

    Attributes:
        times, temperature: from the end of the wait on, and of the bath then, in both runs.
        cycle, control: mean softness, (time, group).
        shift, shift_error: of all groups, cycle less control, (time,).
        response: group by group, over all times.
        hot, late: the shift's mean over the hot hold, and over the last third of the time after the cycle: in units of its standard error.
        after: times from when the cycle goes back on, of ``thermal``.
        thermal, at_rest: what is left behind; at rest at one time, when the bath is back.
        averaged: the same as ``thermal``, of scores averaged over these times.
    """

    times: np.ndarray
    temperature: np.ndarray
    cycle: np.ndarray
    control: np.ndarray
    shift: np.ndarray
    shift_error: np.ndarray
    response: landscape.Contrast
    hot: float
    late: float
    after: np.ndarray
    thermal: landscape.CycleMemory
    at_rest: landscape.CycleMemory
    averaged: landscape.CycleMemory


def judged(cycle: Cycle, found: Mapping[str, Mapping[str, Result]], liquids: int) -> Cycled:
    """Contrasts of a cycle's stretches."""
    runs, rest = found["thermal"], found["at rest"]

    def joined(*names: str) -> np.ndarray:
        """(liquid, replica, time, group)."""
        x = np.concatenate([runs[name]["softness"] for name in names], axis=1)
        return x.reshape(liquids, -1, *x.shape[1:])

    begins = {"hot": cycle.wait, "cycle": cycle.back, "cycle-late": cycle.back + cycle.ramps}
    times = np.concatenate([start + runs[name]["times"] for name, start in begins.items()])
    warmed, control = joined("hot", "cycle", "cycle-late"), joined("still", "control", "control-late")
    difference = warmed - control
    shift = landscape.contrast(difference.mean(axis=-1, keepdims=True), shifts=True)
    back = times > cycle.back + 1e-9
    late: dict[str, Any] = {name: joined(name, f"{name}-late") for name in ("cycle", "up", "down", "warm")}
    late["control"] = control[:, :, back]
    averaged: dict[str, Any] = {name: x.mean(axis=2, keepdims=True) for name, x in late.items()}
    moment: dict[str, Any] = {"low": joined("hot")[:, :, -1], "high": joined("before")[:, :, -1]}
    thermal = landscape.cycle_memory(**late, **moment)
    ends: dict[str, Any] = {name: r["softness"].reshape(liquids, -1, 1, r["softness"].shape[-1]) for name, r in rest.items()}
    low, high = (ends.pop(name)[:, :, 0] for name in ("hot", "before"))
    at_rest = landscape.cycle_memory(**ends, low=low, high=high)
    path = protocols.cycle(cycle.low, cycle.high, cycle.wait, cycle.ramps, cycle.stay, cycle.after)
    return Cycled(
        times, protocols.temperature_at(path, times), warmed.mean(axis=(0, 1)), control.mean(axis=(0, 1)), shift.value[:, 0], shift.error[:, 0],
        landscape.contrast(difference), _level(difference, (times > cycle.wait + cycle.ramps + 1e-9) & ~back),
        _level(difference, times > times[-1] - (cycle.ramps + cycle.after) / 3), times[back], thermal, at_rest,
        landscape.cycle_memory(**averaged, **moment),
    )  # fmt: skip


def _level(difference: np.ndarray, when: np.ndarray) -> float:
    """The shift of all groups, averaged over some times, in standard errors."""
    whole = landscape.contrast(difference[:, :, when].mean(axis=(2, 3))[:, :, None, None], shifts=True)
    return float((whole.value / whole.error)[0, 0])


def claims(hopping: Result, relaxing: Mapping[float, Result], rest: Result, cycles: Mapping[str, Cycled], enough: bool) -> dict[str, Any]:
    """Numbers by name of claim; None where a run was too short to tell. ``enough``: the thesis' cycle is followed for five relaxation times."""
    warm, cold = max(relaxing), min(relaxing)
    _, tau_warm = scattering(relaxing[warm])
    _, tau_cold = scattering(relaxing[cold])
    slow = falls_to(relaxing[warm]["times"], excess(relaxing[warm])[0], GONE)
    left, _ = excess(relaxing[cold])
    at_rest, _ = excess(rest)
    times = relaxing[cold]["times"]
    thesis, larger = cycles["thesis"], cycles.get("larger")
    return {
        "common_value": apart(hopping["share"][:, :, -3:].mean(axis=2)),
        "slow": _known(slow / tau_warm),
        "first_drop": float(1 - np.interp(TAU_BETA, times, left)),
        "first_drop_inherent": float(1 - np.interp(TAU_BETA, rest["times"], at_rest)),
        "logarithmic": _known(straightness(times, left, TAU_BETA, tau_cold)),
        "reaches_mean": float(left[-1]) if times[-1] >= 100 * tau_cold else None,
        "softer_in_the_cycle": thesis.hot,
        "returns": abs(thesis.late) if enough else None,
        "memory": thesis.thermal.memory.p,
        "memory_larger": None if larger is None else larger.thermal.memory.p,
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
