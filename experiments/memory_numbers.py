"""What follows from the stages of ``memory``: how groups become like others, and what a cycle leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
        hot, late: the shift in standard errors, its mean over the hot hold and over the last third of the run.
        after: times from when the cycle goes back on, of ``thermal``.
        thermal, at_rest: what is left behind; at rest at one time, when the bath is back.
        kept: the memory of each group averaged over these times, (1, group); thermal.
        amplitude: of the memory along the groups' first distances from their mean, over all times after the cycle, with standard error.
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
    kept: landscape.Contrast
    amplitude: tuple[float, float]


def judged(cycle: Cycle, found: Mapping[str, Mapping[str, Result]], liquids: int) -> Cycled:
    """Contrasts of a cycle's stretches."""
    runs, rest = found["thermal"], found["at rest"]

    def joined(*names: str) -> np.ndarray:
        """(liquid, replica, time, group)."""
        x = np.concatenate([runs[name]["softness"] for name in names], axis=1)
        return x.reshape(liquids, -1, *x.shape[1:])

    begins = {"hot": cycle.wait, "cycle": cycle.back, "cycle-late": cycle.back + cycle.ramps}
    times = np.concatenate([start + runs[name]["times"] for name, start in begins.items()])
    warmed, control = joined("hot", "cycle", "cycle-late"), joined("control", "control-late")
    difference = warmed - control
    shift = landscape.contrast(difference.mean(axis=-1, keepdims=True), shifts=True)
    back = times > cycle.back + 1e-9
    late: dict[str, Any] = {name: joined(name, f"{name}-late") for name in ("cycle", "up", "down", "warm")}
    thermal = landscape.cycle_memory(control=control[:, :, back], **late)
    ends: dict[str, Any] = {name: r["softness"].reshape(liquids, -1, 1, r["softness"].shape[-1]) for name, r in rest.items()}
    at_rest = landscape.cycle_memory(**ends)
    path = protocols.cycle(cycle.low, cycle.high, cycle.wait, cycle.ramps, cycle.stay, cycle.after)
    start = runs["wait"]["softness"][:, 0].mean(axis=0)  # at the first look, not at the choice itself
    return Cycled(
        times, protocols.temperature_at(path, times), warmed.mean(axis=(0, 1)), control.mean(axis=(0, 1)), shift.value[:, 0], shift.error[:, 0],
        landscape.contrast(difference), _level(difference, (times > cycle.wait + cycle.ramps + 1e-9) & ~back),
        _level(difference, times > times[-1] - (cycle.ramps + cycle.after) / 3), times[back], thermal, at_rest,
        landscape.contrast(*_averaged(late)), _amplitude(late, start - start.mean()),
    )  # fmt: skip


def _level(difference: np.ndarray, when: np.ndarray) -> float:
    """The shift of all groups, averaged over some times, in standard errors."""
    whole = landscape.contrast(difference[:, :, when].mean(axis=(2, 3))[:, :, None, None], shifts=True)
    return float((whole.value / whole.error)[0, 0])


def _averaged(late: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What is left of a cycle, averaged over times: (liquid, replica, 1, group) of both pairs of runs (``landscape.cycle_memory``)."""
    blocks = (late["cycle"][:, : late["up"].shape[1]] - late["up"], late["warm"] - late["down"])
    return blocks[0].mean(axis=2, keepdims=True), blocks[1].mean(axis=2, keepdims=True)


def _amplitude(late: Mapping[str, np.ndarray], start: np.ndarray) -> tuple[float, float]:
    """Of the memory, as a share of what the groups were, over all times, and its standard error."""
    along = start / (start**2).sum()
    whole = landscape.contrast(*((b @ along)[..., None] for b in _averaged(late)), shifts=True)
    return float(whole.value[0, 0]), float(whole.error[0, 0])


def claims(hopping: Result, relaxing: Mapping[float, Result], rest: Result, cycles: Mapping[str, Cycled]) -> dict[str, Any]:
    """Numbers by name of claim; None where a run was too short to tell."""
    share = hopping["share"][:, :, -3:].mean(axis=2)  # (snapshot, part)
    error = share.std(axis=1, ddof=1) / np.sqrt(share.shape[1])
    apart = share.mean(axis=1) - share.mean()
    warm, cold = max(relaxing), min(relaxing)
    _, tau_warm = scattering(relaxing[warm])
    _, tau_cold = scattering(relaxing[cold])
    slow = falls_to(relaxing[warm]["times"], excess(relaxing[warm])[0], GONE)
    left, _ = excess(relaxing[cold])
    at_rest, _ = excess(rest)
    times = relaxing[cold]["times"]
    thesis, larger = cycles["thesis"], cycles.get("larger")
    return {
        "common_value": float(np.abs(apart / np.hypot(error, np.sqrt((error**2).mean() / len(error)))).max()),
        "slow": _known(slow / tau_warm),
        "first_drop": float(1 - np.interp(TAU_BETA, times, left)),
        "first_drop_inherent": float(1 - np.interp(TAU_BETA, rest["times"], at_rest)),
        "logarithmic": _known(straightness(times, left, TAU_BETA, tau_cold)),
        "reaches_mean": float(left[-1]) if times[-1] >= 100 * tau_cold else None,
        "softer_in_the_cycle": thesis.hot,
        "returns": abs(thesis.late),
        "memory": thesis.thermal.memory.p,
        "memory_larger": None if larger is None else larger.thermal.memory.p,
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
