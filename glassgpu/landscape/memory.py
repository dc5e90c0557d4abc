"""Does a liquid remember a cycle of temperature? What a cycle does, what its two steps do alone, and what is left.

Means of a score over groups of particles are compared between runs (``simulate.md(score=)``). *Response* is what a cycle does: cycle less control. *Memory* is what the two
steps of the cycle, each measured alone, do not add up to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput

LEVEL = 0.0027  # three standard errors of one normal number


@dataclass(frozen=True, eq=False)
class Contrast:
    """A sum of differences between runs.

    Attributes:
        value, error: (time, group) float64, and its standard error from replicas, those of one configuration against each other; in
            the units of the blocks.
        chi2: mean of (value / error)^2 over times and groups; about 1 if there is nothing.
        p: how often noise alone reaches such a ``chi2``: the replicas' own deviations, drawn anew and judged by errors of their own, so that it
            knows how times and groups hang together and how badly few replicas tell their errors.
        largest: of |value| / error.
        tests: times x groups, among which that is the largest.
    """

    value: np.ndarray
    error: np.ndarray
    chi2: float
    p: float
    largest: float
    tests: int

    @property
    def found(self) -> bool:
        """Whether noise alone would hardly do it: p below 0.0027."""
        return self.p < LEVEL


def contrast(*blocks: np.ndarray, shifts: bool = False, resamples: int = 2000, seed: int = 0) -> Contrast:
    """The sum of the means of independent blocks.

    Args:
        blocks: each (configuration, replica, time, group) float64, in any units: differences between runs of replicas that have something
            in common, such as a beginning, so that this cancels; blocks have no run in common with each other.
        shifts: keep what all groups share; by default it is taken out of every replica.
        resamples: of the noise, at least 400.
        seed: of these.

    Raises:
        InvalidInput: fewer than two replicas, which show no noise; blocks of other times or groups; not finite.

    Source: project notes, section 5 (memory); Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 16.
    """
    validate.whole("resamples, of which few never reach a p below 0.0027,", resamples, least=400)
    if not blocks:
        raise InvalidInput("give at least one block of differences")
    arrays = [validate.array("a block", b, np.float64, (None, None, None, None)) for b in blocks]
    if any(a.shape[2:] != arrays[0].shape[2:] for a in arrays):
        raise InvalidInput(f"blocks have {', '.join(str(a.shape[2:]) for a in arrays)} times and groups; give the same of each")
    if any(a.shape[1] < 2 for a in arrays):
        raise InvalidInput("one replica of a configuration shows no noise; give at least 2")
    if not shifts:
        arrays = [a - a.mean(axis=-1, keepdims=True) for a in arrays]
    value, error = _sum_of_means(arrays)
    if not (error > 0).all():
        raise InvalidInput("replicas do not differ at some time in some group: nothing can be said of noise; give other seeds")
    chi2 = ((value / error) ** 2).mean()
    random = np.random.default_rng(seed)
    reached = 0
    for _ in range(resamples):  # judged by errors of its own, which few replicas tell badly
        noise, its_error = _sum_of_means([_redrawn(a, random) for a in arrays])
        with np.errstate(divide="ignore", invalid="ignore"):
            reached += not ((noise / its_error) ** 2).mean() < chi2
    return Contrast(value, error, float(chi2), (1 + reached) / (1 + resamples), float(np.abs(value / error).max()), value.size)


def _sum_of_means(blocks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Of (configuration, replica, time, group), and its standard error: configurations are as they are, replicas are drawn."""
    value = sum((b.mean(axis=(0, 1)) for b in blocks), start=np.zeros(blocks[0].shape[2:]))
    variance = sum((b.var(axis=1, ddof=1).sum(axis=0) / (b.shape[1] * b.shape[0] ** 2) for b in blocks), start=np.zeros(value.shape))
    return value, np.sqrt(variance)


def _redrawn(block: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As many deviations from the mean of their configuration, drawn among those of all, each with either sign."""
    c, r = block.shape[:2]
    strays = (block - block.mean(axis=1, keepdims=True)).reshape(c * r, *block.shape[2:])
    return (strays[random.integers(c * r, size=c * r)] * random.choice([-1.0, 1.0], size=(c * r, 1, 1))).reshape(block.shape)


@dataclass(frozen=True, eq=False)
class CycleMemory:
    """What a cycle did.

    Attributes:
        shift: of all groups together, cycle less control, (time, 1), in the units of the score: of these liquids, by replicas.
        response: cycle less control, group by group, the shift taken out: of these liquids, by replicas.
        memory: the same less what a step up and a step down do alone: of the liquid, whose samples are compared.
        kept: the memory as a share of what the groups differed by when the cycle went back, (time, 1) [1]: their slope.
        scale: how much of their difference the groups of the cycle still had when it went back, in units of those of the step down.
    """

    shift: Contrast
    response: Contrast
    memory: Contrast
    kept: Contrast
    scale: float

    @property
    def verdict(self) -> str:
        """``"memory"``, ``"response"`` or ``"noise"``: the first that is found."""
        if self.memory.found:
            return "memory"
        return "response" if self.response.found or self.shift.found else "noise"


def cycle_memory(
    cycle: np.ndarray,
    control: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    warm: np.ndarray,
    *,
    low: np.ndarray,
    high: np.ndarray,
    resamples: int = 2000,
    seed: int = 0,
) -> CycleMemory:
    """Response and memory of a cycle low -> high -> low, at times after it has begun to go back.

    With S for the mean score of a group: response = S(cycle) - S(control), and memory = response - [S(up) - S(control)] -
    scale [S(down) - S(warm)] = [S(cycle) - S(up)] - scale [S(down) - S(warm)].

    Groups differ less and less, faster in the warmth, whatever a liquid remembers; a step down acts on what is left of their
    differences. Therefore the step down alone counts in units of what its groups still differed by when it began: a
    liquid whose groups relax at a rate that its present temperature decides gives 0, however strong its response, and so does a softness
    that follows the bath at once, alike in every group but for a factor.

    Memory is a statement about liquids, of which these are samples: its errors are those between configurations (of replicas' means),
    while shift and response are told of these configurations, from replicas.

    Args:
        cycle, control: (configuration, replica, time, group) float64, mean scores in any units, from the same states at the low
            temperature.
        up: as for ``cycle``, of runs from the same states that stay at the high temperature; the first replicas of ``cycle``, or as many.
        down: as for ``cycle``, of runs that have been at the high temperature and go to the low one when the cycle does.
        warm: as for ``cycle``, of runs from the states of ``down`` that stay at the high temperature.
        low, high: (configuration, replica, group) float64, scores of the states of ``cycle``, and of ``down``, when they go back, in the
            units of these.
        resamples, seed: of the noise (``contrast``).

    Raises:
        As ``contrast``; InvalidInput: pairs that do not fit.

    Source: TH section 4.2.2, figure 4.4; project notes, section 5.
    """
    runs = {"cycle": cycle, "control": control, "up": up, "down": down, "warm": warm}
    cycle, control, up, down, warm = (validate.array(name, x, np.float64, (None,) * 4) for name, x in runs.items())
    low, high = (validate.array(name, x, np.float64, (None,) * 3) for name, x in (("low", low), ("high", high)))
    for name, pair in (
        ("control", (cycle, control)),
        ("warm", (down, warm)),
        ("low", (cycle[:, :, 0], low)),
        ("high", (down[:, :, 0], high)),
    ):
        if pair[0].shape != pair[1].shape:
            raise InvalidInput(f"{name} has shape {pair[1].shape}, and the runs that share its states {pair[0].shape}")
    if len({x.shape[2:] for x in (cycle, up, down)}) > 1:
        raise InvalidInput(
            f"cycle, up and down have shapes {cycle.shape}, {up.shape}, {down.shape}; give the same times and groups of each"
        )
    if up.shape[0] != cycle.shape[0] or up.shape[1] > cycle.shape[1]:
        raise InvalidInput(f"up has shape {up.shape}: it is of the first replicas of the cycle's states, {cycle.shape}")
    if cycle.shape[0] < 2 or down.shape[0] < 2:
        raise InvalidInput("memory is compared between configurations; give at least 2 at either temperature")
    both: dict[str, Any] = {"resamples": resamples, "seed": seed}
    alike = (cycle - control).mean(axis=-1, keepdims=True)
    steps = [(cycle[:, : up.shape[1]] - up).mean(axis=1), (warm - down).mean(axis=1)]  # (configuration, time, group)
    scale, influence = _scale(*(x.mean(axis=1) - x.mean(axis=(1, 2))[:, None] for x in (low, high)))
    middle = steps[1].mean(axis=0)
    blocks = [steps[0] + influence[0][:, None, None] * middle, scale * steps[1] + influence[1][:, None, None] * middle]
    start = low.mean(axis=(0, 1)) - low.mean()
    along = start / (start @ start)
    return CycleMemory(
        contrast(alike, shifts=True, **both), contrast(cycle - control, **both), contrast(*(b[None] for b in blocks), **both),
        contrast(*((b @ along)[None, :, :, None] for b in blocks), shifts=True, **both), scale,
    )  # fmt: skip


def _scale(low: np.ndarray, high: np.ndarray) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """The slope of what groups are in one set of configurations, (configuration, group), against the other, and by how much each
    configuration has changed it: with that added to its datum, errors know how well the slope is known."""
    a, b = low.mean(axis=0), high.mean(axis=0)
    square = b @ b
    scale = float(a @ b / square)
    return scale, ((low - a) @ b / square, (high - b) @ (a - 2 * scale * b) / square)
