"""Swap Monte Carlo reaches one equilibrium from everywhere, far faster than plain moves (long: make validate)."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.dynamics.stationarity import SIGNIFICANT, Window, blocked_error, compare, octants
from glassgpu.structure import long_range_order, structure_factor

N, COLD = 1000, 0.30
SWEEPS, SAMPLES = 3_600_000, 1200
RELAXATIONS, DISCARDED = 30, 10  # the run must be so many relaxation times long, which are measured below
LEAST_CHANCE = 0.0027  # of a difference that equilibrium does not explain: three standard errors
LADDER = (0.6, 0.5, 0.45, 0.4, 0.37, 0.34, 0.32)


def scattering(system, start, unwrapped, positions) -> np.ndarray:
    """F_s^CR(k = 6.3) of all particles in each quarter of the box, (quarter, frame).

    Both places are unwrapped: ``start`` says who is a neighbour, and its own positions are wrapped.
    """
    moved = gg.dynamics.cage_relative(system, start, gg.dynamics.displacements(unwrapped, positions))
    part = octants(start.positions, start.box)
    return np.stack([gg.dynamics.self_intermediate_scattering(moved[:, part == q], system.wavenumber) for q in range(4)])


def chance(first: np.ndarray, second: np.ndarray, draws: int = 20_000) -> float:
    """Share of the random exchanges of blocks between two runs, (block, entry), after which their means
    differ as much as they do: in the mean over entries of the squared difference, in units of the scatter of blocks.

    The entries of a structure factor hang together (bins side by side, partial ones of shared species), so that
    how many lie beyond two standard errors says little: 0.09 of them did in one run, 0.17 in a longer one.
    """
    both = np.concatenate([first, second])
    both = (both - both.mean(axis=0))[:, both.std(axis=0) > 0]  # a bin without a wave vector has no scatter
    both /= both.std(axis=0)
    side = np.repeat([1.0, -1.0], [len(first), len(second)]) / len(first)
    random = np.random.default_rng(0)
    drawn = np.stack([random.permutation(side) for _ in range(draws)])
    found, expected = ((s @ both) ** 2 for s in (side, drawn))
    return float((expected.mean(axis=1) >= found.mean()).mean())


def test_chance_is_uniform_and_sees_a_shift():
    """Blocks of correlated entries from one distribution give any share alike; a shift gives a small one."""
    random = np.random.default_rng(2)
    mix = random.normal(size=(6, 60))
    drawn = [chance(*random.normal(size=(2, 10, 6)) @ mix, draws=400) for _ in range(300)]
    assert abs(np.mean(drawn) - 0.5) < 0.06 and abs(np.mean(np.array(drawn) < 0.1) - 0.1) < 0.06
    first, second = random.normal(size=(2, 10, 6)) @ mix
    assert chance(first, second + 2 * mix[0]) < LEAST_CHANCE


def test_scattering_knows_no_box(film):
    """An origin that has left the box by whole sides gives the same F_s."""
    system, start = film
    run = gg.simulate.swap_mc(
        system, start, temperature=0.6, times=[10, 20, 40], seed=1, keep_positions=True, backend="cpu", progress=False
    )
    later = gg.Snapshot(run.positions[0, 0], start.types, start.box)
    away = start.box * np.random.default_rng(0).integers(-2, 3, (start.n, 2))
    home, far = (scattering(system, later, x[0], x[1:]) for x in (run.positions[0], run.positions[0] + away))
    np.testing.assert_allclose(far, home, atol=1e-12)


@pytest.mark.validate
def test_two_starts_meet(figures):
    """From random places, and slowly cooled: energies, relaxation, S(k) and composition agree; no order."""
    system = gg.systems.ternary_2d(n=N)
    cooled = system.random_snapshot(2)
    for temperature in LADDER:
        cooled = gg.simulate.swap_mc(system, cooled, temperature=temperature, duration=60_000, seed=5, progress=False).final
    starts = [system.random_snapshot(1), cooled]
    times = SWEEPS // SAMPLES * np.arange(1, SAMPLES + 1)
    run = gg.simulate.swap_mc(system, starts, temperature=COLD, times=times, seed=6, keep_positions=True)
    figures(acceptance=run.acceptance[:, 0].tolist(), exchanges=[(x[..., 1] / x[..., 0].clip(1)).tolist() for x in run.exchanges[:, 0]])
    first, middle = SAMPLES * DISCARDED // RELAXATIONS, SAMPLES * (DISCARDED + RELAXATIONS) // (2 * RELAXATIONS)
    half = middle - first
    energy = run.potential[:, 0] / N
    means = energy[:, first:].mean(axis=1)
    errors = [blocked_error(e[None, first:], RELAXATIONS - DISCARDED) for e in energy]
    figures(energy=means.tolist(), standard_error=errors)

    frames = np.arange(first, SAMPLES, SAMPLES // 90)
    blocks = np.array_split(np.arange(len(frames)), (RELAXATIONS - DISCARDED) // 2)  # of two relaxations: nearly independent
    partial, mixing, tau = [], [], []
    for c in range(2):
        x = run.positions[c, 0]
        at = [gg.Snapshot(x[k], run.types[c, 0, k], starts[c].box) for k in range(SAMPLES)]
        windows = []
        for begin in (first, middle):  # four origins in each half, which share no motion but the last of the one before
            origins = begin + half * np.arange(4) // 5
            f = np.concatenate([scattering(system, at[o], x[o], x[o + 1 : o + 1 + half * 3 // 10]) for o in origins])
            windows.append(Window(energy[None, c, begin : begin + half], f[:, np.unique(np.geomspace(1, f.shape[1], 12).astype(int)) - 1]))
            tau.append(float(gg.dynamics.relaxation_time(times[: f.shape[1]], f.mean(axis=0))))
        order = [long_range_order(system, at[k]) for k in frames]
        verdict = compare(*windows, max(o.excess for o in order))
        figures(**{f"start {c}": str(verdict), f"largest order {c}": str(max(order, key=lambda o: o.excess))})
        assert verdict.relaxed and verdict.ageing < SIGNIFICANT and verdict.order < 1
        spectra = [structure_factor(at[k], 12.0, 24, species=system.species).values for k in frames]
        partial.append(np.stack([np.mean([spectra[k] for k in block], axis=0) for block in blocks]))
        mixing.append(np.array([np.mean([order[k].demixing for k in block]) for block in blocks]))
    figures(relaxation_times=tau, longest_allowed=SWEEPS / RELAXATIONS)
    same = chance(*(np.nan_to_num(p).reshape(len(p), -1) for p in partial))
    apart = abs(mixing[0].mean() - mixing[1].mean()) / np.hypot(*(m.std(ddof=1) / np.sqrt(len(m)) for m in mixing))
    figures(
        chance_that_partial_structure_factors_differ_so_much=same,
        composition=[m.mean() for m in mixing],
        composition_apart_in_errors=apart,
    )
    assert max(tau) < 1.3 * SWEEPS / RELAXATIONS  # one half of one run of 1000 particles tells tau to some 20 %
    assert np.mean(tau) < SWEEPS / RELAXATIONS
    assert max(errors) < 0.002
    assert abs(means[0] - means[1]) < SIGNIFICANT * np.hypot(*errors)
    assert same > LEAST_CHANCE
    assert apart < SIGNIFICANT


@pytest.mark.validate
def test_how_much_faster_swaps_relax(figures):
    """tau_alpha of F_s^CR by plain moves over that by swaps, from the same liquids."""
    system = gg.systems.ternary_2d(n=N)
    ratio = {}
    state = None
    for temperature, longest in ((0.45, 16_000), (0.40, 40_000), (0.35, 500_000)):
        state = gg.equilibrate(system, temperature, 60_000, 3, configurations=4, start=state, accept=None, progress=False)
        times = np.unique(np.round(np.geomspace(10, longest, 40))).astype(int)
        tau = {}
        for name in ("mc", "swap_mc"):
            stop = times if name == "mc" else times[times <= max(20_000, longest // 4)]
            run = getattr(gg.simulate, name)(system, state, temperature=temperature, times=stop, seed=7, keep_positions=True)
            f = np.stack([scattering(system, s, s.positions, x[0]).mean(axis=0) for s, x in zip(state, run.positions, strict=True)])
            each = gg.dynamics.relaxation_time(stop, f)
            tau[name] = float(gg.dynamics.relaxation_time(stop, f.mean(axis=0))), float(np.nanstd(each, ddof=1) / 2)
        ratio[temperature] = tau["mc"][0] / tau["swap_mc"][0]
        figures(**{f"T = {temperature}": {**tau, "ratio": ratio[temperature]}})
    assert 1 < ratio[0.45] < ratio[0.40] < ratio[0.35]
    assert ratio[0.35] > 4
