"""From p_hop to examples: rearrangements, quiet spells, tails, balanced sets."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from glassgpu.dynamics import events
from glassgpu.errors import InvalidInput


def slow_events(p_hop, threshold):
    out = []
    for i in range(p_hop.shape[1]):
        stay = []
        for t in range(len(p_hop) + 1):
            if t < len(p_hop) and p_hop[t, i] > threshold:
                stay.append(t)
            elif stay:
                out.append((max(stay, key=lambda u, i=i: p_hop[u, i]), i))
                stay = []
    return out


def slow_spells(p_hop, below, least):
    out = []
    for i in range(p_hop.shape[1]):
        t = 0
        while t < len(p_hop):
            u = t
            while u < len(p_hop) and p_hop[u, i] < below:
                u += 1
            pieces = (u - t) // least
            for piece in range(pieces):  # of equal length, in fractions of a frame
                out.append((math.floor(t + Fraction((2 * piece + 1) * (u - t), 2 * pieces) - Fraction(1, 2)), i))
            t = max(u, t + 1)
    return out


@pytest.fixture(scope="module")
def p_hop():
    random = np.random.default_rng(0)
    values = np.exp(np.cumsum(random.normal(size=(80, 30)) * 0.7, axis=0) * 0.5 - 3).astype(np.float32)
    values[:5] = values[-5:] = np.nan
    values[40, 3] = np.nan
    return values


def test_events_and_spells(p_hop):
    frame, particle = events.hop_events(p_hop, 0.2)
    assert list(zip(frame, particle, strict=True)) == slow_events(p_hop, 0.2) and len(frame) > 20
    for least in (1, 6, 20):
        frame, particle = events.quiet_spells(p_hop, 0.05, least)
        assert list(zip(frame, particle, strict=True)) == slow_spells(p_hop, 0.05, least)
    assert len(frame) > 0
    none = np.full((20, 4), np.nan, np.float32)
    assert len(events.hop_events(none)[0]) == len(events.quiet_spells(none, 1.0, 1)[0]) == 0


def test_a_stay_is_one_event_and_a_tie_its_first_frame():
    p = np.zeros((12, 1))
    p[3:7, 0] = [0.3, 0.5, 0.5, 0.3]
    p[9, 0] = 0.21
    frame, _ = events.hop_events(p)
    assert frame.tolist() == [4, 9]
    frame, _ = events.quiet_spells(p, 0.1, 3)
    assert frame.tolist() == [1]  # frames 0 1 2; 7 8 and 10 11 are too short
    assert events.quiet_spells(np.zeros((12, 1)), 0.1, 3)[0].tolist() == [1, 4, 7, 10]  # as many as fit
    assert events.quiet_spells(np.zeros((11, 1)), 0.1, 5)[0].tolist() == [2, 7]


def test_particles_may_stand_in_any_order(p_hop):
    order = np.random.default_rng(1).permutation(30)
    plain, turned = events.hop_events(p_hop), events.hop_events(p_hop[:, order])
    assert sorted(zip(*plain, strict=True)) == sorted(zip(turned[0], order[turned[1]], strict=True))


def test_quiet_limit(p_hop):
    grid = [0.01, 0.02, 0.04, 0.08]
    counts = [2 * len(slow_spells(p_hop, g, 6)) for g in grid]
    assert counts[0] < counts[2]
    assert events.quiet_limit([p_hop, p_hop], counts[1] + 1, 6, grid) == grid[2 if counts[2] > counts[1] else 3]
    assert events.quiet_limit([p_hop], 10**6, 6, grid) is None
    assert events.QUIET_GRID.tolist() == [0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.055, 0.06]


def test_extreme_limits(p_hop):
    low, high = events.extreme_limits([p_hop, 2 * p_hop], share=0.05)
    values = np.sort(np.concatenate([p_hop[np.isfinite(p_hop)], 2 * p_hop[np.isfinite(p_hop)]]))
    count = round(0.05 * len(values))
    assert (values < low).sum() == count and (values > high).sum() == count
    with pytest.raises(InvalidInput, match="less than one"):
        events.extreme_limits([p_hop], share=1e-6)


def test_balanced_examples(p_hop):
    active, quiet = [events.hop_events(p_hop)] * 2, [events.quiet_spells(p_hop, 0.05, 6)] * 2
    chosen = events.balanced_examples(active, quiet, lead=6, seed=3, p_c=0.2)
    late = [(f, i) for f, i in slow_events(p_hop, 0.2) if f >= 6]
    spells = slow_spells(p_hop, 0.05, 6)
    assert len(chosen) == 2 * min(2 * len(late), 2 * len(spells)) and (np.bincount(chosen.label) == len(chosen) // 2).all()
    for run, frame, particle, label in zip(chosen.run, chosen.frame, chosen.particle, chosen.label, strict=True):
        assert run in (0, 1) and ((frame + 6, particle) in late if label else (frame, particle) in spells)
    assert len(set(zip(chosen.run, chosen.frame, chosen.particle, chosen.label, strict=True))) == len(chosen)
    assert chosen.provenance == {"lead": 6, "seed": 3, "rearrangements": 2 * len(late), "quiet": 2 * len(spells), "p_c": 0.2}
    again, other = (events.balanced_examples(active, quiet, lead=6, seed=s, most=5) for s in (3, 4))
    assert len(again) == 10 and not np.array_equal(again.particle, other.particle)
    with pytest.raises(InvalidInput, match="no rearrangements"):
        events.balanced_examples(active, quiet, lead=10**3)
    with pytest.raises(InvalidInput, match="no rearrangements were given"):
        events.balanced_examples([], quiet, lead=2)
    with pytest.raises(InvalidInput, match="that of one run"):
        events.hop_events(p_hop[None])
    with pytest.raises(InvalidInput, match="no quiet particles were found; give longer runs, or a smaller least"):
        events.balanced_examples(active, [events.quiet_spells(p_hop, 1e-9, 6)] * 2, lead=2)
    pair = (np.array([7, 8]), np.array([0, 1]))
    for one_run in (active[0], pair, [np.ones(5)], [(pair[0], pair[1][:1])], [1, 2]):
        with pytest.raises(InvalidInput, match="of each run; of a single run"):
            events.balanced_examples(one_run, quiet, lead=2)
    with pytest.raises(InvalidInput, match="quiet particles: give a list"):
        events.balanced_examples(active, quiet[0], lead=2)


def test_what_is_not_p_hop_of_one_run(p_hop):
    for call in (lambda p: events.hop_events(p), lambda p: events.quiet_spells(p, 0.05, 6)):
        for wrong in ([p_hop, p_hop], [p_hop, p_hop[:40]], p_hop[:, 0], "p_hop", None):
            with pytest.raises(InvalidInput, match="that of one run; call this once for each run"):
                call(wrong)
    for wrong in ("0.2", None, np.array([0.2]), np.nan):
        with pytest.raises(InvalidInput, match="threshold"):
            events.hop_events(p_hop, wrong)
        with pytest.raises(InvalidInput, match="below"):
            events.quiet_spells(p_hop, wrong, 6)
    assert len(events.quiet_spells(p_hop, 1e9, 70)[0]) == 29  # all frames, of all particles but the one with a gap
    with pytest.raises(InvalidInput, match="least=71 frames exceeds the 70 frames of the run in which p_hop is known"):
        events.quiet_spells(p_hop, 1e9, 71)
