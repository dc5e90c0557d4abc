"""Is a liquid in equilibrium? Two windows of its run are compared, and the answer is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIGNIFICANT = 3.0  # standard errors
BLOCKS = 5  # of a time series


@dataclass(frozen=True, eq=False)
class Window:
    """One window of a run.

    Attributes:
        energy: (configuration, sample) potential energy per particle, evenly in time.
        scattering: (block, time) F_s(k, t) since the window's start, in blocks of particles that
            stand together.
        owner: (block,) int, the configuration of each block.
    """

    energy: np.ndarray
    scattering: np.ndarray
    owner: np.ndarray


@dataclass(frozen=True)
class Stationarity:
    """What two consecutive windows say.

    Attributes:
        relaxed: F_s falls below 1/e within a window. Without that no test could see ageing.
        ageing: largest difference between the windows' F_s(k, t), in standard errors.
        energy_change: difference between the windows' mean energies, in standard errors.
        order: the largest sign of order over what is allowed of it; below 1 there is none.
    """

    relaxed: bool
    ageing: float
    energy_change: float
    order: float

    @property
    def accepted(self) -> bool:
        return self.relaxed and self.ageing < SIGNIFICANT and self.energy_change < SIGNIFICANT and self.order < 1

    def __str__(self) -> str:
        fell = "F_s falls below 1/e" if self.relaxed else "F_s stays above 1/e"
        return (
            f"{fell}, F_s changes by {self.ageing:.1f} and the energy (of hard spheres the pressure) by {self.energy_change:.1f} standard errors "
            f"(below {SIGNIFICANT:g}), order is {self.order:.2f} of what is allowed (below 1)"
        )


def blocked_error(series: np.ndarray, blocks: int = BLOCKS) -> float:
    """Standard error of the mean of time series, (run, sample), from means over blocks of time.

    The blocks must be longer than the memory of the series. Source: Flyvbjerg and Petersen,
    J. Chem. Phys. 91, 461 (1989).
    """
    runs, samples = series.shape
    blocks = min(blocks, samples)
    means = series[:, : samples // blocks * blocks].reshape(runs, blocks, -1).mean(axis=2)
    return float(means.std(ddof=1) / np.sqrt(means.size)) if runs == 1 else float(_within(means))


def _within(means: np.ndarray) -> float:
    """The error of the mean over runs and blocks, apart from the runs' own differences in level."""
    runs, blocks = means.shape
    variance = means.var(axis=1, ddof=1).mean()
    return float(np.sqrt(variance / (runs * blocks)))


def _shared_motion(windows: Sequence[Window]) -> float:
    """By how much errors from blocks are too small because those of one configuration relax together, 1 or more.

    Slow regions are as large as an octant. Configurations tell, where there are several: one factor for all times, since they are few.
    """
    ratios = []
    for w in windows:
        owners = np.unique(w.owner)
        if len(owners) < 2:
            return 1.0
        means = np.stack([w.scattering[w.owner == c].mean(axis=0) for c in owners])
        ratios.append(means.var(axis=0, ddof=1) / len(owners) / (w.scattering.var(axis=0, ddof=1) / len(w.scattering)))
    return float(np.sqrt(max(1.0, np.mean(ratios))))


def compare(first: Window, second: Window, order: float) -> Stationarity:
    """The verdict on two consecutive windows of equal length."""
    means = [w.scattering.mean(axis=0) for w in (first, second)]
    errors = [w.scattering.std(axis=0, ddof=1) / np.sqrt(len(w.scattering)) for w in (first, second)]
    ageing = np.abs(means[0] - means[1]) / (np.hypot(*errors) * _shared_motion((first, second)))
    change = abs(first.energy.mean() - second.energy.mean()) / np.hypot(blocked_error(first.energy), blocked_error(second.energy))
    return Stationarity(bool(max(m[-1] for m in means) < np.exp(-1)), float(ageing.max()), float(change), order)


def octants(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Which of 2^d equal parts of the box each particle stands in, (N,)."""
    return ((positions >= 0) * 2 ** np.arange(len(box))).sum(axis=1)
