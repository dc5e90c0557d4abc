"""Observables: summed in the run against stored positions, slow forms, freud, and known answers."""

from __future__ import annotations

import freud
import numpy as np
import pytest
from scipy.special import j0

import glassgpu as gg
from glassgpu import dynamics
from glassgpu.launch import Cpu

OBSERVE = dynamics.Observe(wavenumber=7.2, overlap_distance=0.2, bins=60, bin_width=0.02)
TIMES = (0.02, 0.1, 0.5, 1.0)


@pytest.fixture(scope="module")
def runs(liquid, film):
    return {
        name: (
            system,
            start,
            gg.simulate.md(
                system,
                [start, start],
                temperature=0.9,
                times=TIMES,
                replicas=3,
                seed=4,
                observe=OBSERVE,
                keep_positions=True,
                cage_relative=False,
                backend="cpu",
                progress=False,
            ),
        )
        for name, (system, start) in {"liquid": liquid, "film": film}.items()
    }


@pytest.mark.parametrize("which", ["liquid", "film"])
def test_sums_of_the_run_equal_slow_forms(which, runs):
    system, start, run = runs[which]
    d, found = system.dimension, run.observables
    assert dict(found.sizes) == {"configuration": 2, "replica": 3, "time": 4, "species": len(system.species), "distance": 60}
    for c in range(2):
        for k in range(len(TIMES)):
            for s in range(len(system.species)):
                far = []
                for r in range(3):
                    moved = run.positions[c, r, k] - start.positions
                    moved = (moved - moved.mean(axis=0))[start.types == s]
                    length = np.array([np.sqrt(sum(x**2 for x in row)) for row in moved])
                    at = {"configuration": c, "replica": r, "time": k, "species": s}
                    square = np.mean(length**2)
                    scattering = np.mean([j0(7.2 * x) if d == 2 else np.sin(7.2 * x) / (7.2 * x) for x in length])
                    tolerance = {"rel": 1e-9}
                    assert float(found.mean_squared_displacement[at]) == pytest.approx(square, **tolerance)
                    assert float(found.non_gaussian[at]) == pytest.approx(
                        d * np.mean(length**4) / ((d + 2) * square**2) - 1, rel=1e-6, abs=1e-9
                    )
                    assert float(found.self_intermediate_scattering[at]) == pytest.approx(scattering, **tolerance)
                    assert float(found.overlap[at]) == pytest.approx(np.mean(length < 0.2), **tolerance)
                    far.append(length)
                counts = np.histogram(np.minimum(far, 1.199), 60, (0, 1.2))[0]
                density = counts / (3 * len(far[0]) * 0.02)
                np.testing.assert_allclose(found.van_hove[c, k, s], density, atol=1.01 / (3 * len(far[0]) * 0.02))  # one count on an edge
                q = [np.mean(x < 0.2) for x in far]
                every = [found.overlap[i, r, k, s] for i in range(2) for r in range(3)]
                assert float(found.chi4_of_all_runs[k, s]) == pytest.approx(len(far[0]) * np.var(every, ddof=1), abs=1e-12)
                assert float(found.chi4[c, k, s]) == pytest.approx(len(far[0]) * np.var(q, ddof=1), abs=1e-12)


def test_stored_positions_equal_the_run_and_freud(runs):
    _, start, run = runs["liquid"]
    a = start.types == 0
    moved = dynamics.displacements(start.positions, run.positions[0])[..., a, :]
    found = run.observables.isel(configuration=0, species=0)
    np.testing.assert_allclose(dynamics.mean_squared_displacement(moved), found.mean_squared_displacement, rtol=1e-9)
    np.testing.assert_allclose(dynamics.non_gaussian(moved), found.non_gaussian, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(dynamics.self_intermediate_scattering(moved, 7.2), found.self_intermediate_scattering, rtol=1e-9)
    np.testing.assert_allclose(dynamics.overlap(moved, 0.2), found.overlap, rtol=1e-12)
    edges = np.linspace(0, 1.2, 61)
    inside = dynamics.van_hove(moved, edges).mean(axis=0)[:, :-1]
    np.testing.assert_allclose(inside, found.van_hove[:, :-1], atol=1.01 / (3 * a.sum() * 0.02))
    frames = np.concatenate([start.positions[None, a] * 0, moved[0]])
    msd = freud.msd.MSD(mode="direct")
    msd.compute(frames.astype(np.float64))
    np.testing.assert_allclose(msd.msd[1:], found.mean_squared_displacement[0], rtol=1e-5)


@pytest.mark.parametrize("d", [2, 3])
def test_gaussian_motion(d):
    moved = np.random.default_rng(d).normal(0, 0.2, (400_000, d))
    assert dynamics.non_gaussian(moved) == pytest.approx(0, abs=0.01)
    assert dynamics.mean_squared_displacement(moved) == pytest.approx(d * 0.04, rel=0.01)
    assert dynamics.self_intermediate_scattering(moved, 3.0) == pytest.approx(np.exp(-(3.0**2) * 0.04 / 2), abs=3e-3)


def test_cage_motion_far_from_the_origin():
    """Six digits of a small displacement of particles that have travelled a million boxes."""
    moved = np.random.default_rng(0).normal(0, 0.05, (1000, 3))
    start = np.random.default_rng(1).uniform(-5, 5, (1000, 3)) + 1e6
    found = dynamics.mean_squared_displacement(dynamics.displacements(start, start + moved))
    assert found == pytest.approx(dynamics.mean_squared_displacement(moved - moved.mean(axis=0)), rel=1e-6)


def test_a_run_far_from_the_origin(liquid):
    """A liquid that drifts as a whole: the sums know only motion relative to the centre of mass."""
    system, start = liquid
    fast = gg.Snapshot(start.positions, start.types, start.box, start.velocities + [90.0, 0, 0])
    still = gg.Snapshot(start.positions, start.types, start.box, start.velocities)
    plan = {"times": [0.5], "thermostat": None, "observe": OBSERVE, "dt": 0.004, "backend": "cpu", "progress": False, "precision": "double"}
    a, b = (gg.simulate.md(system, s, **plan).observables.mean_squared_displacement.values for s in (fast, still))
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_no_bit_depends_on_how_the_work_is_cut(liquid):
    from glassgpu.engines import md as engine

    system, start = liquid
    plan = engine.MdPlan(
        temperature=0.8, steps=60, samples=(3, 20, 60), replicas=5, seed=9, dt=0.004, observe=OBSERVE, mean_displacements=True
    )

    def run(target=None, **how):
        return engine.MdRun(system, [start, start], plan, target or Cpu(1), progress=False, **how).run().results()

    plain = run()
    for way in ({"batch": 3}, {"chunk": 7}, {"target": Cpu(3)}, {"capacity": 40}, {"target": Cpu(2, shuffled=True)}):
        other = run(**way)
        for name in ("sums", "drift", "observable", "histogram"):
            assert np.array_equal(plain[name], other[name]), (way, name)


def test_mean_displacement(liquid):
    system, start = liquid
    options = {"temperature": 0.8, "times": TIMES, "replicas": 4, "seed": 2, "backend": "cpu", "progress": False}
    ensemble = gg.isoconfigurational(system, start, labels=("propensity", "mean_displacement"), **options)
    stored = gg.simulate.md(system, start, keep_positions=True, **options).positions
    mean = dynamics.displacements(start.positions, stored).mean(axis=0)
    assert ensemble.mean_displacement.dims == ("time", "particle", "dim")
    np.testing.assert_allclose(ensemble.mean_displacement, mean, atol=1e-8)


def test_relaxation_time():
    times = np.geomspace(0.01, 1000, 60)
    assert dynamics.relaxation_time(times, np.exp(-times / 7)) == pytest.approx(7, rel=0.02)
    both = dynamics.relaxation_time(times, np.stack([np.exp(-times / 7), np.ones_like(times)]))
    assert both[0] == pytest.approx(7, rel=0.02) and np.isnan(both[1])
    assert np.isnan(dynamics.relaxation_time(times, np.full(60, 0.1)))
    hand = dynamics.relaxation_time([1.0, 10.0, 100.0], [0.8, 0.6, 0.2], level=0.4)
    assert hand == pytest.approx(10**1.5)


def test_chi4_by_hand():
    assert dynamics.chi4([0.5, 0.7], 100) == pytest.approx(100 * 0.02)
    with pytest.raises(gg.errors.InvalidInput, match="at least two"):
        dynamics.chi4([[0.5]], 100)


def test_fits():
    temperature = np.array([0.5, 0.6, 0.7, 0.8, 1.0, 1.2])
    arrhenius = dynamics.fit_arrhenius(temperature, 0.1 * np.exp(3 / temperature))
    assert (arrhenius.tau_0, arrhenius.energy) == (pytest.approx(0.1), pytest.approx(3))
    law = dynamics.fit_vogel_fulcher_tammann(temperature, 0.2 * np.exp(0.8 / (temperature - 0.3)))
    assert (law.tau_0, law.b, law.t_0) == (pytest.approx(0.2, rel=1e-4), pytest.approx(0.8, rel=1e-4), pytest.approx(0.3, rel=1e-4))
    np.testing.assert_allclose(law(temperature), 0.2 * np.exp(0.8 / (temperature - 0.3)), rtol=1e-4)
    # Errors: the scatter of repeated noisy fits.
    random = np.random.default_rng(0)
    noisy = [dynamics.fit_arrhenius(temperature, 0.1 * np.exp(3 / temperature + random.normal(0, 0.05, 6))) for _ in range(400)]
    assert np.std([f.energy for f in noisy]) == pytest.approx(np.mean([f.errors[1] for f in noisy]), rel=0.15)
    vft = [
        dynamics.fit_vogel_fulcher_tammann(temperature, 0.2 * np.exp(0.8 / (temperature - 0.3) + random.normal(0, 0.02, 6)))
        for _ in range(100)
    ]
    assert np.std([f.t_0 for f in vft]) == pytest.approx(np.mean([f.errors[2] for f in vft]), rel=0.3)
    for bad in ([1, 2], [1, np.nan, 3], [1, -1, 3]):
        with pytest.raises(gg.errors.InvalidInput):
            dynamics.fit_vogel_fulcher_tammann([0.5, 0.6, 0.7][: len(bad)], bad)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dynamics.Observe(wavenumber=0), "wavenumber"),
        (lambda: dynamics.Observe(wavenumber=7, bins=-1), "bins"),
        (lambda: dynamics.relaxation_time([1, 1], [1, 0]), "ascend"),
        (lambda: dynamics.van_hove(np.zeros((3, 3)), [1, 0]), "ascend"),
        (lambda: dynamics.self_intermediate_scattering(np.zeros((3, 3)), -1), "wavenumber"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        call()
