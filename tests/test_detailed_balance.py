"""Which distributions Monte Carlo samples: exact sums and integrals, an independent sampler, and dynamics (long: make validate).

A deviation is in standard errors (``samplers.deviation``: one number for all columns, from
independent replicas). Its limit is 4 everywhere but in the last test, where it is 3.
"""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest
from samplers import (
    Assignments,
    chi_square_deviation,
    deviation,
    distances,
    exact_pairs,
    few,
    kinds,
    metropolis,
    on_lattice,
    shares,
    types_of,
)

import glassgpu as gg
from benchmarks.peers import plain_mc

LIMIT = 4.0
BACKEND = os.environ.get("GLASSGPU_TEST_BACKEND", "cpu")
DILUTE, DENSE = 6.3, 3.95  # sides: just above 2 x 2.5 and 2 x 1.5 times the largest sigma, and a step
EDGES = np.concatenate([[0.0], np.arange(0.75, 2.96, 0.2)])
DENSE_EDGES = np.concatenate([[0.0], np.arange(0.7, 1.75, 0.1)])
COMMON = 0.003  # bins with a lesser share are left out: their counts are not normal
precisions = pytest.mark.parametrize("precision", ["double", "single"])
long = pytest.mark.validate


def run(system, temperature, sweeps, every, precision, replicas=256, swap_fraction=None, start=None):
    """A run with positions every so many sweeps, and how many samples to leave out at its start."""
    how = dict(
        temperature=temperature, times=np.arange(every, sweeps + 1, every), replicas=replicas, seed=1, precision=precision, step=0.4,
        keep_positions=True, progress=False, backend=BACKEND,
    )  # fmt: skip
    start = on_lattice(system, types_of(system)) if start is None else start
    if swap_fraction is None:
        return gg.simulate.mc(system, start, **how), sweeps // every // 10
    return gg.simulate.swap_mc(system, start, swap_fraction=swap_fraction, **how), sweeps // every // 10


def test_the_references_agree_and_would_notice():
    """Three particles by NumPy and by integrals; a tenth of temperature is seen; exchanges leave Boltzmann's distribution."""
    system, temperature = few((1, 1, 1), DILUTE), 0.4
    positions, energy = metropolis(system, temperature, 600, 10, 400, seed=1, step=1.5)
    r, per_chain = distances(positions[:, 6:], DILUTE), energy[:, 6:].mean(axis=1)[:, None]
    for factor, agree in ((1.0, True), (1.1, False)):
        mean, _, probability = exact_pairs(system, factor * temperature, EDGES)
        common = probability.ravel() > COMMON
        assert (deviation(per_chain, np.array([mean])) < LIMIT) == agree
        assert (deviation(shares(r, np.arange(3), EDGES)[:, common], probability.ravel()[common]) < LIMIT) == agree
    total = sum(gg.energy(system, gg.Snapshot(x, types_of(system), system.box), backend=BACKEND).potential for x in positions[:5, -1])
    assert total == pytest.approx(energy[:5, -1].sum(), abs=1e-10)

    dense = few((2, 2, 4), DENSE, cut=1.5, inner=1.2)
    places = metropolis(dense, 2.0, 20, 20, 1, seed=2)[0][0, 0]
    every = Assignments(dense, places, 1.0)
    matrix, _ = every.exchange_matrix()
    assert len(every.types) == 420
    np.testing.assert_allclose(every.probability @ matrix, every.probability, atol=1e-15)
    one = gg.Snapshot(places, every.types[7], dense.box)
    assert gg.energy(dense, one, backend=BACKEND).potential == pytest.approx(every.energy[7], abs=1e-10)
    random = np.random.default_rng(3)
    drawn, other = (np.bincount(random.choice(420, 20_000, p=p), minlength=420) for p in (every.probability, np.full(420, 1 / 420)))
    assert chi_square_deviation(drawn, every.probability) < LIMIT < chi_square_deviation(other, every.probability)


@pytest.mark.parametrize("precision", ["double", "single"])
def test_the_peer_samples_three_particles(precision):
    """benchmarks/peers/plain_mc.cpp against the integral, and its energies against ours."""
    system = few((1, 1, 1), 6.3)
    start = on_lattice(system, types_of(system))
    runs = [plain_mc.run(system, start, 0.4, 100_000, seed=k, precision=precision, step=0.4, every=100) for k in range(64)]
    mean = exact_pairs(system, 0.4, EDGES)[0]
    assert deviation(np.array([r.energies[10:].mean() * 3 for r in runs])[:, None], np.array([mean])) < LIMIT
    last = gg.Snapshot(runs[0].positions, start.types, start.box)
    assert gg.energy(system, last, backend=BACKEND).potential == pytest.approx(3 * runs[0].energies[-1], abs=1e-12)


@long
@precisions
@pytest.mark.parametrize("counts", [(1, 0, 1), (1, 1, 1)], ids=["two", "three"])
def test_two_and_three_particles(counts, precision, figures):
    """Energy, pressure and distances against integrals."""
    system, temperature = few(counts, DILUTE), 0.4
    n = system.n
    out, skip = run(system, temperature, 80_000, 200, precision)
    mean, virial, probability = exact_pairs(system, temperature, EDGES)
    pressure = (n * temperature + virial / 2) / DILUTE**2
    common = probability.ravel() > COMMON
    pairs = np.arange(n * (n - 1) // 2)
    off = {
        "energy": deviation(out.potential[:, skip:].mean(axis=1)[:, None], np.array([mean])),
        "pressure": deviation(out.pressure[:, skip:].mean(axis=1)[:, None], np.array([pressure])),
        "distances": deviation(
            shares(distances(out.positions[:, skip:], DILUTE), pairs, EDGES)[:, common],
            probability.ravel()[common],
        ),
    }
    error = out.potential[:, skip:].mean(axis=1).std(ddof=1) / np.sqrt(len(out.potential))
    figures(deviations=off, energy=float(out.potential[:, skip:].mean()), energy_error=float(error), exact=float(mean))
    assert max(off.values()) < LIMIT


@pytest.fixture(scope="module")
def eight():
    """Eight particles at density 0.51, T = 0.5, sampled by NumPy: system, energies per chain and shares of distances."""
    system = few((2, 2, 4), DENSE, cut=1.5, inner=1.2)
    positions, energy = metropolis(system, 0.5, 3500, 20, 1024, seed=4, step=0.35)
    skip = 50  # 1000 sweeps; the slowest mode seen in the energy fades within 300
    share = shares(distances(positions[:, skip:], DENSE), kinds(types_of(system)), DENSE_EDGES)
    return system, energy[:, skip:].mean(axis=1)[:, None], share


@long
@precisions
@pytest.mark.parametrize("swap_fraction", [None, 0.2], ids=["mc", "swap_mc"])
def test_eight_particles(eight, swap_fraction, precision, figures):
    """Energy and distances by kind of pair against NumPy's moves, with and without exchanges."""
    system, energy, share = eight
    out, skip = run(system, 0.5, 20_000, 50, precision, swap_fraction=swap_fraction)
    types = types_of(system) if swap_fraction is None else out.types[:, skip:]
    assert (np.sort(types, axis=-1) == types_of(system)).all()
    measured = shares(distances(out.positions[:, skip:], DENSE), kinds(types), DENSE_EDGES)
    common = share.mean(axis=0) > COMMON
    per_replica = out.potential[:, skip:].mean(axis=1)[:, None]
    off = {"energy": deviation(per_replica, energy), "distances": deviation(measured[:, common], share[:, common])}
    errors = [float(e.std(ddof=1) / np.sqrt(len(e))) for e in (per_replica, energy)]
    figures(deviations=off, energy=float(per_replica.mean()), numpy=float(energy.mean()), errors=errors, columns=int(common.sum()))
    assert max(off.values()) < LIMIT


@long
@precisions
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_species_on_fixed_places(temperature, precision, figures):
    """Exchanges alone: each of the 420 assignments as often as Boltzmann says, and each kind of exchange as often accepted."""
    system = few((2, 2, 4), DENSE, cut=1.5, inner=1.2)
    places = metropolis(system, 0.5, 40, 40, 1, seed=1)[0][0, 0]
    exact = Assignments(system, places, temperature)
    every, runs = 40, 512
    assert every * system.n > 8 * exact.memory()  # so that samples are independent
    # Starts drawn from the distribution, which exchanges must then never leave: no sample is left out.
    drawn = np.random.default_rng(3).choice(len(exact.types), runs, p=exact.probability)
    starts = [gg.Snapshot(places, exact.types[k], system.box) for k in drawn]
    out, _ = run(system, temperature, 100 * every, every, precision, replicas=1, swap_fraction=1.0, start=starts)
    assert np.abs(out.positions - starts[0].positions).max() < {"double": 1e-12, "single": 1e-8}[precision]
    seen = exact.index(out.types.reshape(-1, system.n))
    off = {"assignments": chi_square_deviation(np.bincount(seen, minlength=420), exact.probability)}
    exchanges = out.exchanges.reshape(runs, 3, 3, 2)
    both = exchanges + exchanges.transpose(0, 2, 1, 3)
    for (a, b), expected in exact.exchange_matrix()[1].items():
        off[f"accepted {a}-{b}"] = deviation((both[:, a, b, 1] / both[:, a, b, 0])[:, None], np.array([expected]))
    figures(deviations=off, samples=len(seen), effective_assignments=float(1 / (exact.probability**2).sum()))
    assert max(off.values()) < LIMIT


@long
def test_stationary_energy_of_mc_swap_and_md(figures):
    """N = 4000 at T = 0.5: mean energies per particle of the three agree within 3 standard errors.

    The energy of plain moves still remembers 0.08 of itself after 8000 sweeps, that of swap moves
    0.02 after 4000. So blocks of 4000 sweeps of two swap runs count as independent, and plain moves
    and dynamics start from their 16 ends: every run is stationary from its first sample on.
    """
    system, temperature, n = gg.systems.ternary_2d(), 0.5, 4000
    common = dict(temperature=temperature, backend=BACKEND, progress=False)
    liquid = gg.equilibrate(system, temperature, 4000, seed=1, accept=None, backend=BACKEND, progress=False)
    state = gg.simulate.swap_mc(system, liquid, duration=10_000, replicas=2, seed=2, **common).final
    sweeps, starts, swapped = np.arange(50, 4001, 50), [], []
    for block in range(8):
        out = gg.simulate.swap_mc(system, state, times=sweeps, seed=10 + block, **common)
        state = out.final
        starts += state
        swapped.append(out.potential.reshape(2, -1))
    potential = {
        "swap_mc": np.concatenate(swapped),
        "mc": gg.simulate.mc(system, starts, times=sweeps, seed=3, **common).potential,
        "md": gg.simulate.md(system, starts, times=np.arange(1, 51), dt=0.004, seed=5, **common).potential,
    }
    runs = {name: p.reshape(16, -1).mean(axis=1) / n for name, p in potential.items()}
    mean = {name: float(r.mean()) for name, r in runs.items()}
    error = {name: float(r.std(ddof=1) / 4) for name, r in runs.items()}
    figures(energy_per_particle=mean, errors=error)
    for a, b in itertools.combinations(runs, 2):
        assert abs(mean[a] - mean[b]) < 3 * np.hypot(error[a], error[b]), (a, b)
