"""Examples of particles that rearrange and of particles that stay: from p_hop of many frames to a training set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput

QUIET_GRID = np.round(np.arange(0.010, 0.0601, 0.005), 3)  # project notes, section 4


def hop_events(p_hop: np.ndarray, threshold: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Rearrangements: one for each stay of p_hop above the threshold, at the frame where it is largest.

    Args:
        p_hop: (frame, N) of one run [length^2]; NaN, as at its ends, is not above.
        threshold: [length^2].

    Returns:
        Indices of frames and particles, each (events,) int64, ordered by particle, then frame.

    Raises:
        InvalidInput: p_hop of several runs, or no numbers.

    Source: TH section 2.2.3 (p_hop > 0.2). A stay of several frames is one event, so that events are independent.

    Example:
        >>> p_hop = np.zeros((8, 3))
        >>> p_hop[2:5, 1] = 0.3, 0.7, 0.4  # one stay above the threshold
        >>> frame, particle = gg.dynamics.hop_events(p_hop)
        >>> frame.tolist(), particle.tolist()
        ([3], [1])
    """
    p_hop = _of_one_run(p_hop)
    validate.number("threshold", threshold)
    particle, first, last = _stays(p_hop > threshold)
    values = np.where(np.isnan(p_hop), -np.inf, p_hop)
    frame = np.array([f + int(values[f:l, i].argmax()) for i, f, l in zip(particle, first, last, strict=True)], np.int64)
    return frame, particle


def quiet_spells(p_hop: np.ndarray, below: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Spells of so many frames in which p_hop stays below a limit: their middles.

    A stay is cut into as many equal spells as fit into it, so that who stays twice as long counts twice.

    Args:
        p_hop: (frame, N) of one run [length^2]; NaN ends a spell.
        below: [length^2].
        least: frames of a spell.

    Returns:
        Indices of middle frames and particles, each (spells,) int64, ordered by particle, then frame.

    Raises:
        InvalidInput: p_hop of several runs, or no numbers; ``least`` is more than all frames in which p_hop is known.

    Source: TH section 2.2.3.
    """
    p_hop = _of_one_run(p_hop)
    validate.number("below", below)
    validate.whole("least", least, least=1)
    known = int(np.isfinite(p_hop).any(axis=1).sum())
    if 0 < known < least:
        raise InvalidInput(
            f"least={least} frames exceeds the {known} frames of the run in which p_hop is known; give a longer run, or a smaller least"
        )
    particle, first, last = _stays(p_hop < below)
    length = last - first
    spells = length // least
    which = np.arange(spells.sum()) - np.repeat(np.cumsum(spells) - spells, spells)  # of its stay
    first, length, of = np.repeat(first, spells), np.repeat(length, spells), np.repeat(spells, spells)
    return first + ((2 * which + 1) * length - of) // (2 * of), np.repeat(particle, spells)


def quiet_limit(runs: Iterable[np.ndarray], wanted: int, least: int, grid: Sequence[float] | np.ndarray = QUIET_GRID) -> float | None:
    """The smallest limit of the grid below which there are as many quiet spells as wanted; None if there is none.

    Args:
        runs: p_hop of each run, (frame, N) [length^2].
        wanted: spells in all.
        least: frames of a spell.
        grid: (limits,) ascending [length^2].

    Raises:
        As ``quiet_spells``.

    Source: project notes, section 4, rule (b).
    """
    found = np.zeros(len(grid), int)
    for p_hop in runs:
        found += [len(quiet_spells(p_hop, limit, least)[0]) for limit in grid]
    enough = np.flatnonzero(found >= wanted)
    return float(grid[enough[0]]) if len(enough) else None


def extreme_limits(runs: Iterable[np.ndarray], share: float = 0.00033) -> tuple[float, float]:
    """The values of p_hop below and above which lie the given shares of all values.

    Args:
        runs: p_hop of each run, arrays of any shape [length^2]; NaN is left out.
        share: of all values, in each tail.

    Returns:
        The lower and the upper limit [length^2].

    Raises:
        InvalidInput: a share outside (0, 0.5], or one that is less than one value.

    Source: TH section 2.2.3 (0.033 %).
    """
    validate.number("share", share, above=0, most=0.5)
    values = np.concatenate([p[np.isfinite(p)] for p in runs])
    count = round(share * len(values))
    if count < 1:
        raise InvalidInput(f"share={share:g} of {len(values)} values is less than one; give longer runs")
    ordered = np.partition(values, [count, len(values) - 1 - count])
    return float(ordered[count]), float(ordered[len(values) - 1 - count])


@dataclass(frozen=True, eq=False)
class Examples:
    """Particles at moments: where to look for structure, and what they did.

    Attributes:
        run, frame, particle: (examples,) int64; the frame is that of the structure.
        label: (examples,) int64, 1 rearranges, 0 stays.
        provenance: thresholds, lead, seed and numbers found, for a report.
    """

    run: np.ndarray
    frame: np.ndarray
    particle: np.ndarray
    label: np.ndarray
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label)


def balanced_examples(
    active: Sequence[tuple[np.ndarray, np.ndarray]],
    quiet: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    lead: int,
    quiet_lead: int = 0,
    most: int | None = None,
    seed: int = 0,
    **provenance: Any,
) -> Examples:
    """As many particles that rearrange as particles that stay, drawn at random from what was found.

    Args:
        active, quiet: a list with two arrays, (events,) int64, of each run: its frames and particles (``hop_events``, ``quiet_spells``).
        lead: frames before a rearrangement at which structure is taken. TH takes 2, inside the window of
            p_hop, which begins half_window frames before; half_window + 1 frames leak nothing.
        quiet_lead: the same for those that stay; 0 for the middle of a spell.
        most: of each class; None: as many as there are of the rarer.
        seed: of the draw.
        provenance: more to remember.

    Returns:
        Examples: those that rearrange first, then those that stay.

    Raises:
        InvalidInput: a class is empty; no list of runs.

    Source: TH section 2.2.3.
    """
    classes = []
    kinds: list[tuple[str, Sequence[tuple[np.ndarray, np.ndarray]], int, str]]
    kinds = [
        ("rearrangements", active, lead, "a smaller threshold or lead"),
        ("quiet particles", quiet, quiet_lead, "a smaller least or a larger limit of quiet_spells"),
    ]
    for name, found, before, instead in kinds:
        validate.whole("lead", before, least=0)
        if not len(found):
            raise InvalidInput(f"no {name} were given; give frames and particles of at least one run")
        for pair in found:
            shapes = [np.shape(part) for part in pair] if isinstance(pair, (tuple, list, np.ndarray)) else []
            if len(shapes) != 2 or len(shapes[0]) != 1 or shapes[0] != shapes[1]:
                raise InvalidInput(f"{name}: give a list with (frames, particles) of each run; of a single run [(frames, particles)]")
        run = np.concatenate([np.full(len(frames), k) for k, (frames, _) in enumerate(found)])
        frame, particle = np.concatenate([np.stack(pair) for pair in found], axis=1)
        kept = frame - before >= 0
        if not kept.any():
            raise InvalidInput(f"no {name} were found; give longer runs, or {instead}")
        classes.append((run[kept], frame[kept] - before, particle[kept]))
    count = min(len(c[0]) for c in classes)
    count = count if most is None else min(count, validate.whole("most", most, least=1))
    random = np.random.default_rng([validate.whole("seed", seed, least=0), 7])
    parts = []
    for columns in classes:
        chosen = np.sort(random.choice(len(columns[0]), count, replace=False))
        parts.append(tuple(c[chosen].astype(np.int64) for c in columns))
    run, frame, particle = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    counts = {"rearrangements": len(classes[0][0]), "quiet": len(classes[1][0])}
    return Examples(run, frame, particle, np.repeat([1, 0], count), {"lead": lead, "seed": seed, **counts, **provenance})


def _of_one_run(p_hop: np.ndarray) -> np.ndarray:
    """p_hop as an array (frame, N) of numbers, in the precision it has."""
    try:
        values = np.asarray(p_hop)
    except ValueError:  # runs of several lengths
        values = np.empty(0, object)
    if values.dtype.kind not in "biuf":
        raise InvalidInput("p_hop is no array of numbers (frame, N), that of one run; call this once for each run")
    if values.ndim != 2:
        raise InvalidInput(f"p_hop has shape {values.shape}; expected (frame, N), that of one run; call this once for each run")
    return values


def _stays(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unbroken stretches of True along the frames of (frame, N): particle, first frame, one past the last."""
    padded = np.zeros((inside.shape[1], inside.shape[0] + 2), np.int8)
    padded[:, 1:-1] = inside.T
    change = np.diff(padded, axis=1)
    particle, first = np.nonzero(change == 1)
    _, last = np.nonzero(change == -1)
    return particle, first, last
