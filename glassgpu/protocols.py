"""Thermal protocols: how the temperature of a bath changes while a run goes. A protocol is a list of straight segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput


@dataclass(frozen=True)
class Segment:
    """The temperature goes from ``start`` to ``end``, linearly in time.

    Attributes:
        start, end: temperatures [energy / k_B].
        duration: in the unit of the dynamics: time, or sweeps.

    Raises:
        InvalidInput: one of them is not above 0.
    """

    start: float
    end: float
    duration: float

    def __post_init__(self) -> None:
        for name in ("start", "end", "duration"):
            validate.number(f"{name} of a segment", getattr(self, name), above=0)


Temperature: TypeAlias = float | Sequence[Segment]


def hold(temperature: float, duration: float) -> list[Segment]:
    """One temperature. After a segment that ends at another, the bath jumps.

    Raises:
        As ``Segment``.
    """
    return [Segment(temperature, temperature, duration)]


def ramp(start: float, end: float, duration: float) -> list[Segment]:
    """From one temperature to another at a constant rate.

    Raises:
        As ``Segment``.
    """
    return [Segment(start, end, duration)]


def quench(before: float, after: float, wait: float, duration: float) -> list[Segment]:
    """``wait`` at one temperature, then at once another for ``duration``.

    Raises:
        As ``Segment``.
    """
    return hold(before, wait) + hold(after, duration)


def cycle(low: float, high: float, wait: float, ramps: float, stay: float, duration: float) -> list[Segment]:
    """``wait`` at ``low``, a ramp to ``high``, ``stay`` there, a ramp back, and ``duration`` at ``low``; each ramp takes ``ramps``.

    Raises:
        As ``Segment``.

    Source: TH section 4.2.2.

    Example:
        >>> protocol = gg.protocols.cycle(low=0.5, high=0.6, wait=10, ramps=5, stay=20, duration=30)
        >>> gg.protocols.duration_of(protocol)
        70.0
        >>> gg.protocols.temperature_at(protocol, [0, 12.5, 20, 60]).round(3).tolist()
        [0.5, 0.55, 0.6, 0.5]
    """
    return hold(low, wait) + ramp(low, high, ramps) + hold(high, stay) + ramp(high, low, ramps) + hold(low, duration)


def checked(segments: object) -> Sequence[Segment]:
    """Raise unless this is a protocol.

    Raises:
        InvalidInput: anything but a list of segments, of which there is at least one.
    """
    if not isinstance(segments, Sequence) or isinstance(segments, str) or not segments or not all(isinstance(s, Segment) for s in segments):
        raise InvalidInput(
            "a protocol is a list of segments, such as protocols.hold(0.5, 30) + protocols.ramp(0.5, 0.6, 10), a temperature= one or a number; "
            f"got {segments!r:.100}"
        )
    return segments


def duration_of(segments: Sequence[Segment]) -> float:
    """The length of a protocol."""
    return float(sum(s.duration for s in segments))


def temperature_at(segments: Sequence[Segment], times: ArrayLike) -> np.ndarray:
    """The temperature of the bath; where two segments meet that of the earlier, beyond the last its end.

    Args:
        segments: the protocol.
        times: (time,) since its beginning [time, or sweeps].

    Returns:
        (time,) float64 [temperature].
    """
    ends = np.cumsum([s.duration for s in segments])
    at = np.asarray(times, float)
    k = np.minimum(np.searchsorted(ends, at), len(segments) - 1)
    begin = ends[k] - np.array([s.duration for s in segments])[k]
    start, end = (np.array([getattr(s, name) for s in segments])[k] for name in ("start", "end"))
    share = np.minimum((at - begin) / (ends[k] - begin), 1.0)
    return start + (end - start) * share


def in_words(segments: Sequence[Segment]) -> list[list[str]]:
    """Rows (from, until, temperature) for a report."""
    rows, begin = [], 0.0
    for s in segments:
        what = f"{s.start:g}" if s.start == s.end else f"{s.start:g} to {s.end:g}"
        rows.append([f"{begin:g}", f"{begin + s.duration:g}", what])
        begin += s.duration
    return rows


def in_steps(temperature: Temperature, dt: float) -> tuple[tuple[int, float, float], ...]:
    """Segments as (last step, temperature before its first step, at its last); nothing for a single temperature.

    Raises:
        InvalidInput: no segments, or one that is no whole number of steps of ``dt``.
    """
    if not isinstance(temperature, Sequence) or isinstance(temperature, str):
        validate.number("temperature", temperature, above=0)
        return ()
    parts = np.array([s.duration for s in checked(temperature)])
    steps = np.rint(parts / dt).astype(np.int64)
    wrong = np.flatnonzero((np.abs(steps * dt - parts) > np.maximum(1e-6 * dt, 1e-11 * parts)) | (steps < 1))
    if len(wrong):
        k = int(wrong[0])
        raise InvalidInput(f"segment {k} of the protocol lasts {parts[k]:g}, which is no whole number of steps of {dt:g}; give a multiple")
    return tuple((int(e), s.start, s.end) for e, s in zip(np.cumsum(steps), temperature, strict=True))
