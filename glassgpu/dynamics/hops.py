"""Who hops out of its cage: p_hop and the cumulative squared displacement, from positions at equal intervals.

``Hops`` asks a run for the same, computed inside the kernel while it goes (kernels/hops.cuh).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput


@dataclass(frozen=True)
class Hops:
    """What a run watches every particle for.

    Attributes:
        interval: between two frames [time, or sweeps].
        half_window: frames in each of the two windows of p_hop beside the one judged.
        threshold: of p_hop above which a particle rearranges [length^2].
        squared_displacement: of the cumulative squared displacement, likewise [length^2]. The default
            is the thesis', for which as many rearrange at T = 0.86 as by p_hop.
        since: time from which on any hop counts for the label "any"; None: from the first frame
            that can be judged, half_window * interval [time, or sweeps].

    Raises:
        InvalidInput

    Source: TH sections 3.2.2 and A.0.2.
    """

    interval: float = 1.0
    half_window: int = 5
    threshold: float = 0.2
    squared_displacement: float = 0.0966
    since: float | None = None

    def __post_init__(self) -> None:
        checked: dict[str, float] = {
            name: validate.number(name, getattr(self, name), above=0) for name in ("interval", "threshold", "squared_displacement")
        }
        checked["half_window"] = validate.whole("half_window", self.half_window, least=1, most=1000)
        if self.since is not None:
            checked["since"] = validate.number("since", self.since, least=0)
        for name, value in checked.items():  # as plain numbers, which every file format holds
            object.__setattr__(self, name, value)


def p_hop(positions: np.ndarray, window: int = 10, *, box: np.ndarray | None = None, remove_drift: bool = True) -> np.ndarray:
    """The hop indicator of Candelier et al.: how far two windows of a trajectory stray from each other's mean.

    p_hop(i, t) = sqrt( <|r - <r>_2|^2>_1 <|r - <r>_1|^2>_2 ): two averages of squared vectors, multiplied, over the
    frames t - h ... t and t ... t + h, both ends included. A unit hop without noise gives (h / (h + 1))^(3/2) at the
    frame after it, 0.7607 for h = 5.

    Args:
        positions: (time, N, d) at equal intervals, unwrapped, or wrapped when ``box`` is given [length].
        window: frames 2 h in both windows together, even.
        box: (d,) sides [length]: steps from frame to frame are minimum images, for motion below half a box per frame.
        remove_drift: subtract the mean displacement of all N particles since the first frame; so hand in the
            whole system, and choose particles afterwards.

    Returns:
        (time, N) float64 [length^2]; NaN in the first and last h frames, whose windows do not fit.

    Raises:
        InvalidInput: fewer than window + 1 frames, an odd window, NaN.

    Source: Candelier et al., PRL 105, 135702 (2010); TH section 3.2.2.

    Example:
        >>> path = np.zeros((20, 2, 3))
        >>> path[10:, 0, 0] = 1.0  # the first particle hops by one unit before frame 10
        >>> gg.dynamics.p_hop(path, window=10, remove_drift=False)[10].round(4).tolist()
        [0.7607, 0.0]
    """
    half, moved = _displaced(positions, window, box, remove_drift)
    out = np.full(moved.shape[:2], np.nan)
    for t in range(half, len(moved) - half):
        first, second = moved[t - half : t + 1], moved[t : t + half + 1]
        there = ((first - second.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0)
        back = ((second - first.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0)
        out[t] = np.sqrt(there * back)
    return out


def cumulative_squared_displacement(
    positions: np.ndarray, window: int = 10, *, box: np.ndarray | None = None, remove_drift: bool = True
) -> np.ndarray:
    """The mean of the last ``window`` squared displacements from frame to frame.

    Args:
        positions, box, remove_drift: as for ``p_hop``.
        window: number of displacements, even, as that of p_hop.

    Returns:
        (time, N) float64 [length^2]; NaN in the first ``window`` frames.

    Raises:
        As ``p_hop``.

    Source: TH section A.0.2.
    """
    half, moved = _displaced(positions, window, box, remove_drift)
    squares = (np.diff(moved, axis=0) ** 2).sum(axis=2)
    out = np.full(moved.shape[:2], np.nan)
    out[2 * half :] = np.lib.stride_tricks.sliding_window_view(squares, window, axis=0).mean(axis=2)
    return out


def _displaced(positions: np.ndarray, window: int, box: np.ndarray | None, remove_drift: bool) -> tuple[int, np.ndarray]:
    """Half the window, and displacements since the first frame, (time, N, d)."""
    half, odd = divmod(validate.whole("window", window, least=2), 2)
    if odd:
        raise InvalidInput(f"window={window}: give an even number of frames, as many before as after the one judged")
    positions = validate.array("positions", positions, np.float64, (None, None, None))
    if len(positions) < window + 1:
        raise InvalidInput(f"positions hold {len(positions)} frames; a window of {window} needs at least {window + 1}")
    if box is None:
        moved = positions - positions[0]
    else:
        sides = validate.array("box", box, np.float64, positions.shape[2:])
        steps = np.diff(positions, axis=0)
        moved = np.zeros(positions.shape)
        np.cumsum(steps - sides * np.rint(steps / sides), axis=0, out=moved[1:])
    return half, moved - moved.mean(axis=1, keepdims=True) if remove_drift else moved
