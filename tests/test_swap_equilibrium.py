"""Swap Monte Carlo reaches one equilibrium from everywhere, far faster than plain moves (long: make validate)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import glassgpu as gg
from glassgpu.dynamics.stationarity import SIGNIFICANT, Window, blocked_error, compare, octants
from glassgpu.structure import long_range_order, structure_factor

N, COLD = 1000, 0.30
SWEEPS, SAMPLES = 6_000_000, 1200
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


def memory(types: np.ndarray, species: int) -> np.ndarray:
    """Share of each species' particles that are of it again (or still) a lag later, less that of chance and normalised to 1 at
    lag 0, from (time, N): (lag, species). What exchanges relax, slower than they help particles to move."""
    out = np.ones((len(types) // 2, species))
    for s in range(species):
        mine = types == s
        share = mine[0].mean()
        for lag in range(1, len(out)):
            out[lag, s] = ((mine[lag:] & mine[:-lag]).sum() / mine[:-lag].sum() - share) / (1 - share)
    return out


def chance(first: np.ndarray, second: np.ndarray, blocks: int = 8) -> float:
    """Probability, at most, that the means of two series, (time, entry), differ anywhere so much when nothing does.

    Blocks of each series are compared by Student's t; the most different entry is held against the number of entries, which may
    hang together as they like (Bonferroni). Blocks must be long beside what the series remember: at four times as
    long, 0.0027 still comes once in 70 (by simulation).
    """
    means = [np.stack([b.mean(axis=0) for b in np.array_split(x, blocks)]) for x in (first, second)]
    scatter = np.sqrt(sum(m.var(axis=0, ddof=1) for m in means) / blocks)
    found = scatter > 0  # a bin without a wave vector has none
    t = np.abs(means[0].mean(axis=0) - means[1].mean(axis=0))[found] / scatter[found]
    return float(min(1.0, 2 * stats.t.sf(t.max(), 2 * (blocks - 1)) * found.sum()))


def test_chance_allows_nothing_and_sees_a_shift():
    """Series that remember for an eighth of a block, of entries that hang together: small probabilities are as rare as they say;
    a shift gives one."""
    random = np.random.default_rng(2)
    mix = random.normal(size=(20, 60))

    def series():
        x = np.empty((320, 20))
        x[0] = random.normal(size=20)
        for t in range(1, len(x)):
            x[t] = 0.8 * x[t - 1] + 0.6 * random.normal(size=20)
        return x @ mix

    drawn = np.array([chance(series(), series()) for _ in range(400)])
    assert (drawn < 0.05).mean() < 0.1 and (drawn < LEAST_CHANCE).sum() <= 8
    assert chance(series(), series() + 4 * mix[0]) < LEAST_CHANCE


def test_memory_of_species_that_change_at_random():
    """Each particle draws its species anew with probability 0.2: what is left after k steps is 0.8^k."""
    random = np.random.default_rng(3)
    types = np.empty((60, 4000), int)
    types[0] = random.choice(3, 4000, p=[0.44, 0.2, 0.36])
    for t in range(1, 60):
        types[t] = np.where(random.random(4000) < 0.2, random.permutation(types[0]), types[t - 1])
    np.testing.assert_allclose(memory(types, 3)[:10], 0.8 ** np.arange(10)[:, None] * np.ones(3), atol=0.02)


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
    run = gg.simulate.swap_mc(system, starts, temperature=COLD, times=times, swap_fraction=0.5, seed=6, keep_positions=True)
    figures(acceptance=run.acceptance[:, 0].tolist(), exchanges=[(x[..., 1] / x[..., 0].clip(1)).tolist() for x in run.exchanges[:, 0]])
    first, middle = SAMPLES * DISCARDED // RELAXATIONS, SAMPLES * (DISCARDED + RELAXATIONS) // (2 * RELAXATIONS)
    half = middle - first
    energy = run.potential[:, 0] / N
    means = energy[:, first:].mean(axis=1)
    errors = [blocked_error(e[None, first:], RELAXATIONS - DISCARDED) for e in energy]
    figures(energy=means.tolist(), standard_error=errors)

    frames = np.arange(first, SAMPLES, SAMPLES // 300)
    partial, mixing, tau, forgotten = [], [], [], []
    for c in range(2):
        x = run.positions[c, 0]
        at = [gg.Snapshot(x[k], run.types[c, 0, k], starts[c].box) for k in range(SAMPLES)]
        windows = []
        for begin in (first, middle):  # four origins in each half, which share no motion but the last of the one before
            origins = begin + half * np.arange(4) // 5
            f = np.concatenate([scattering(system, at[o], x[o], x[o + 1 : o + 1 + half * 3 // 10]) for o in origins])
            kept = np.unique(np.geomspace(1, f.shape[1], 12).astype(int)) - 1
            windows.append(Window(energy[None, c, begin : begin + half], f[:, kept], np.zeros(len(f))))
            tau.append(float(gg.dynamics.relaxation_time(times[: f.shape[1]], f.mean(axis=0))))
        order = [long_range_order(system, at[k]) for k in frames]
        verdict = compare(*windows, max(o.excess for o in order))
        figures(**{f"start {c}": str(verdict), f"largest order {c}": str(max(order, key=lambda o: o.excess))})
        assert verdict.relaxed and verdict.ageing < SIGNIFICANT and verdict.order < 1
        spectra = [structure_factor(at[k], 12.0, 24, species=system.species).values for k in frames]
        partial.append(np.nan_to_num(spectra)[:, *np.triu_indices(3)].reshape(len(frames), -1))
        mixing.append(np.array([[o.demixing] for o in order]))
        left = memory(run.types[c, 0, first:], 3)
        forgotten.append((np.argmax(left < np.exp(-1), axis=0) * SWEEPS / SAMPLES).tolist())
    figures(relaxation_times=tau, longest_allowed=SWEEPS / RELAXATIONS, sweeps_to_forget_a_species=forgotten)
    same, mixed = chance(*partial), chance(*mixing)
    figures(
        chance_that_partial_structure_factors_differ_so_much=same,
        composition=[m.mean() for m in mixing],
        chance_that_composition_differs_so_much=mixed,
    )
    assert max(tau) < 1.3 * SWEEPS / RELAXATIONS  # one half of one run of 1000 particles tells tau to some 20 %
    assert np.mean(tau) < SWEEPS / RELAXATIONS
    assert max(errors) < 0.002
    assert abs(means[0] - means[1]) < SIGNIFICANT * np.hypot(*errors)
    assert same > LEAST_CHANCE
    assert mixed > LEAST_CHANCE
    assert np.min(forgotten) > 0 and np.max(forgotten) < SWEEPS / 15  # 5 times discarded, 10 times measured


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
