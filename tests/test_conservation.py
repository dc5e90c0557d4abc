"""Energy conservation and the canonical distribution (long: make validate)."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import glassgpu as gg
from benchmarks.peers import lammps_md

N, DT, STEPS, STARTS, EVERY, SKIN = 1000, 0.002, 100_000, 8, 50, 0.3


def drift_and_spread(energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of a linear fit times the length, and the deviation about the fit, of each row."""
    step = np.arange(energy.shape[1], dtype=float)
    slope, level = np.polyfit(step, energy.T, 1)
    return slope * len(step), (energy - level[:, None] - slope[:, None] * step).std(axis=1)


@pytest.fixture(scope="module")
def starts():
    """Eight starts near equilibrium at T = 0.5, with velocities of total momentum zero."""
    system = gg.systems.kob_andersen(n=N, cutoff="per_pair")
    made = gg.equilibrate(system, temperature=0.5, duration=30, seed=11, configurations=STARTS, accept=None, backend="cpu")
    return [gg.Snapshot(s.positions, s.types, s.box, s.velocities - s.velocities.mean(axis=0)) for s in made]


def energies(law: str, precision: str, starts) -> tuple[np.ndarray, list]:
    system = gg.systems.kob_andersen(n=N, cutoff="per_pair", law=law)
    times = DT * EVERY * np.arange(1, STEPS // EVERY + 1)
    run = gg.simulate.md(system, starts, thermostat=None, times=times, dt=DT, precision=precision, skin=SKIN, backend="cpu")
    return run.conserved[:, 0] / N, run.final


@pytest.mark.validate
@pytest.mark.parametrize("precision", ["double", "single"])
def test_drift_of_the_smooth_law(starts, precision, figures):
    """Mean over starts below 1e-5 in double precision; total momentum stays zero."""
    energy, final = energies("smooth", precision, starts)
    drift, spread = drift_and_spread(energy)
    momentum = max(np.abs(s.velocities.sum(axis=0)).max() for s in final)
    figures(mean=drift.mean(), mean_abs=np.abs(drift).mean(), drift=drift.tolist(), fluctuation=spread.mean(), momentum=momentum)
    if precision == "double":
        assert abs(drift.mean()) < 1e-5
    assert momentum < {"double": 1e-9, "single": 0.01}[precision]


@pytest.mark.validate
def test_drift_of_the_shifted_law_beside_lammps(starts, figures):
    """Mean |drift| at most 1.5 times that of LAMMPS over the same starts and list rule."""
    if lammps_md.available():
        pytest.skip(lammps_md.available())
    for precision in ("single", "double"):
        drift, spread = drift_and_spread(energies("shifted", precision, starts)[0])
        figures(**{precision: {"mean_abs": np.abs(drift).mean(), "drift": drift.tolist(), "fluctuation": spread.mean()}})
    system = gg.systems.kob_andersen(n=N, cutoff="per_pair")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(lammps_md.energies_of, system, s, DT, SKIN, STEPS, EVERY) for s in starts]
        theirs, their_spread = drift_and_spread(np.array([r.result() for r in runs]))
    figures(lammps={"mean_abs": np.abs(theirs).mean(), "drift": theirs.tolist(), "fluctuation": their_spread.mean()})
    assert np.abs(drift).mean() <= 1.5 * np.abs(theirs).mean()


@pytest.mark.validate
@pytest.mark.parametrize("thermostat", ["nose_hoover", "langevin"])
def test_canonical_kinetic_energy(starts, figures, thermostat):
    """Mean fT/2 and variance fT^2/2 within 3 standard errors from blocks. The momentum, too, is a degree of freedom of a Langevin bath, whose
    splitting samples positions more truly than velocities: at whole steps these are colder by dt^2 Omega^2 / 4, where Omega, the frequency of
    a particle in its cage, is told by the forces (Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013), of harmonic oscillators)."""
    system, temperature, dt = gg.systems.kob_andersen(n=N, cutoff="per_pair"), 0.5, 0.004
    run = gg.simulate.md(
        system, starts, temperature=temperature, times=0.1 * np.arange(1, 2001), dt=dt, precision="double", seed=3, backend="cpu",
        thermostat=thermostat,
    )  # fmt: skip
    kinetic = run.kinetic[:, 0, 100:]  # the first 10 time units settle the chain
    freedom = 3 * (N - (thermostat == "nose_hoover"))
    if thermostat == "langevin":
        square = np.mean([(gg.energy(system, s, precision="double", backend="cpu").forces ** 2).mean() for s in run.final])
        temperature *= 1 - dt**2 * square / temperature / 4
        figures(omega_squared=square / 0.5, temperature=temperature)
    blocks = kinetic.reshape(STARTS, -1, 100)  # 10 time units, 20 thermostat times
    mean = blocks.mean(axis=2).ravel()
    variance = ((blocks - freedom * temperature / 2) ** 2).mean(axis=2).ravel()
    for name, values, expected in (("mean", mean, freedom * temperature / 2), ("variance", variance, freedom * temperature**2 / 2)):
        error = values.std(ddof=1) / np.sqrt(len(values))
        figures(**{name: {"measured": values.mean(), "error": error, "expected": expected}})
        assert abs(values.mean() - expected) < 3 * error
    if thermostat == "langevin":
        return
    drift, _ = drift_and_spread(run.conserved[:, 0] / N)
    figures(conserved_energy_drift=np.abs(drift).mean())
    assert np.abs(drift).mean() < 2e-3
