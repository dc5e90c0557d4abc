"""Dynamics: against a slow integrator, bit identities, labels, thermostat state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from references import velocity_verlet

import glassgpu as gg
from glassgpu.engines import md as engine
from glassgpu.engines import runs
from glassgpu.engines.problem import Problem
from glassgpu.engines.records import square_unit
from glassgpu.launch import Cpu


def small(name, heavy):
    system = gg.systems.ternary_2d(n=120) if name == "film" else gg.systems.kob_andersen(n=160, density=1.0, cutoff="per_pair", law=name)
    if heavy:
        system = replace(system, mass=np.linspace(1, 3, len(system.species)))
    start = gg.equilibrate(system, temperature=1.0, duration=1, seed=2, dynamics="md", accept=None, backend="cpu", progress=False)
    return system, start


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("name", ["shifted", "smooth", "film"])
@pytest.mark.parametrize("thermostat", [None, "nose_hoover"])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_equals_a_slow_integrator(name, thermostat, precision, heavy):
    """Twenty steps with rebuilds, from given velocities."""
    system, start = small(name, heavy)
    dt, steps = 0.004, 20
    plan = engine.MdPlan(
        temperature=0.7, steps=steps, samples=tuple(range(1, steps + 1)), replicas=1, seed=0, dt=dt, thermostat=thermostat,
        thermostat_time=0.3, precision=precision, skin=0.1, draw_velocities=False, keep_positions=True, keep_final=True,
    )  # fmt: skip
    run = engine.MdRun(system, [start], plan, Cpu(1), progress=False).run()
    assert run.rebuilds > 0
    found = run.results()
    slow = velocity_verlet(system, start, dt, steps, (0.7, 0.3) if thermostat else None)
    tolerance = {"double": 1e-10, "single": 3e-5}[precision]
    for k, (x, _) in enumerate(slow):
        np.testing.assert_allclose(found["positions"][0, k], x, atol=tolerance)
    np.testing.assert_allclose(found["velocities"][0], slow[-1][1], atol=30 * tolerance)


def ensemble(system, starts, target=None, checkpoint=None, **how):
    """Label sums, log and final state of one plan, run in different ways."""
    plan = engine.MdPlan(
        temperature=0.8,
        steps=60,
        samples=(3, 20, 60),
        replicas=5,
        seed=9,
        dt=0.004,
        keep_final=True,
        precision=how.pop("precision", "single"),
    )
    return engine.MdRun(system, starts, plan, target or Cpu(1), progress=False, checkpoint=checkpoint, **how).run().results()


def identical(a, b):
    assert {"log", "sums", "places", "velocities"} <= a.keys() == b.keys()
    return all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("which", ["liquid", "film"])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_no_bit_depends_on_how_the_work_is_cut(which, precision, request):
    system, start = request.getfixturevalue(which)
    starts = [
        start,
        gg.equilibrate(
            system, temperature=0.9, duration=0.5, seed=5, start=start, dynamics="md", accept=None, backend="cpu", progress=False
        ),
    ]
    plain = ensemble(system, starts, precision=precision)
    assert plain["sums"].any()
    ways = {
        "batch": {"batch": 3},
        "chunk": {"chunk": 7},
        "threads": {"target": Cpu(4)},
        "all at once": {"batch": 2, "chunk": 11, "target": Cpu(3)},
        "short lists": {"capacity": 40},
        "shuffled": {"target": Cpu(2, shuffled=True)},
    }
    for name, way in ways.items():
        assert identical(plain, ensemble(system, starts, precision=precision, **way)), name


def test_forced_overflow_really_overflows(liquid, monkeypatch):
    system, start = liquid
    grown = []
    original = Problem.grow_lists
    monkeypatch.setattr(Problem, "grow_lists", lambda self: (grown.append(self.capacity), original(self)))
    ensemble(system, [start], capacity=40)
    assert grown and grown[0] == 40


@pytest.mark.parametrize("stop_after", [1, 4, 9])
def test_interrupted_and_resumed(liquid, tmp_path, stop_after, monkeypatch):
    system, start = liquid
    plain = ensemble(system, [start], batch=2, chunk=13)
    path, chunks = tmp_path / "run.npz", []
    original = engine.MdRun._run_chunk

    def stopping(self, steps):
        if len(chunks) == stop_after:
            raise KeyboardInterrupt
        chunks.append(steps)
        original(self, steps)

    monkeypatch.setattr(engine.MdRun, "_run_chunk", stopping)
    with pytest.raises(gg.errors.Interrupted, match="the same call continues"):
        ensemble(system, [start], batch=2, chunk=13, checkpoint=path)
    assert path.exists()
    monkeypatch.setattr(engine.MdRun, "_run_chunk", original)
    resumed = ensemble(system, [start], batch=4, chunk=5, checkpoint=path)
    assert identical(plain, resumed)


def test_resuming_is_said(liquid, tmp_path, monkeypatch, capsys):
    system, start = liquid
    path, original = tmp_path / "run.npz", engine.MdRun._run_chunk
    common = dict(temperature=0.8, times=[0.1], chunk=5, backend="cpu", checkpoint=path, progress=True)
    monkeypatch.setattr(
        engine.MdRun,
        "_run_chunk",
        lambda self, steps: original(self, steps) if self.step < 10 else (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(gg.errors.Interrupted):
        gg.simulate.md(system, start, **common)
    assert "continuing" not in capsys.readouterr().err
    monkeypatch.undo()
    gg.simulate.md(system, start, **common)
    assert f"continuing {path} at 50 %\n" in capsys.readouterr().err


@pytest.mark.parametrize("moment", range(0, 60, 3))
def test_stopped_anywhere_and_resumed(liquid, tmp_path, moment, monkeypatch):
    """Ctrl-C at any access to the arrays of the target, inside commits too."""
    import os
    import signal

    system, start = liquid
    plain = ensemble(system, [start], batch=3, chunk=20)
    path, calls = tmp_path / "run.npz", []
    original = Cpu.to_numpy

    def pressing(array):
        calls.append(1)
        if len(calls) == moment + 1:
            os.kill(os.getpid(), signal.SIGINT)
        return original(array)

    target = Cpu(1)
    monkeypatch.setattr(target, "to_numpy", pressing)
    try:
        result = ensemble(system, [start], target, batch=3, chunk=20, checkpoint=path)
    except gg.errors.Interrupted:
        result = ensemble(system, [start], batch=3, chunk=20, checkpoint=path)
    assert identical(plain, result)


def test_a_checkpoint_of_another_run_is_refused(liquid, tmp_path, monkeypatch):
    system, start = liquid
    path = tmp_path / "run.npz"
    monkeypatch.setattr(engine.MdRun, "_finish_batch", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(gg.errors.Interrupted):
        gg.isoconfigurational(
            system, start, temperature=0.8, times=[0.1], replicas=2, seed=1, backend="cpu", checkpoint=path, progress=False
        )
    monkeypatch.undo()
    assert path.exists()
    common = dict(temperature=0.8, times=[0.1], replicas=2, seed=1, backend="cpu", checkpoint=path, progress=False)
    moved = gg.Snapshot(start.positions + 1e-9, start.types, start.box)
    for change, message in (
        ({"seed": 2}, "another run: seed was 1 and is now 2. Give"),
        ({"temperature": 0.9, "precision": "double"}, "precision was 'single' and is now 'double'; temperature was 0.8 and is now 0.9"),
        ({"snapshot": moved}, "another run: snapshots differ"),
        ({"system": replace(system, mass=2 * system.mass)}, "another run: mass differ"),
    ):
        with pytest.raises(gg.errors.CheckpointMismatch, match=message):
            gg.isoconfigurational(**{"system": system, "snapshot": start, **common, **change})
    monkeypatch.setattr(runs, "source_key", lambda: "other kernels")
    with pytest.raises(gg.errors.CheckpointMismatch, match="has changed"):
        gg.isoconfigurational(system, start, **common)
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(gg.errors.FileFormatError, match="damaged"):
        gg.isoconfigurational(
            system, start, temperature=0.8, times=[0.1], replicas=2, seed=1, backend="cpu", checkpoint=path, progress=False
        )


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("which", ["liquid", "film"])
def test_labels_equal_those_from_stored_positions(which, heavy, request):
    system, start = request.getfixturevalue(which)
    if heavy:
        system = replace(system, mass=np.linspace(1, 3, len(system.species)))
    common = dict(temperature=0.8, times=[0.05, 0.5], replicas=6, seed=4, dt=0.005, backend="cpu", progress=False)
    labels = gg.isoconfigurational(system, start, dynamics="md", cage_relative=False, **common)
    stored = gg.simulate.md(system, start, keep_positions=True, **common)
    mean, variance = gg.dynamics.propensity(start.positions, stored.positions, mass=system.mass[start.types])
    np.testing.assert_allclose(labels.propensity.values, mean, atol=1e-8)
    np.testing.assert_allclose(labels.standard_error.values**2, variance, rtol=1e-5, atol=1e-10)
    np.testing.assert_allclose(labels.noise_ceiling.values, gg.dynamics.noise_ceiling(mean, variance, start.types), atol=1e-4)
    np.testing.assert_allclose(labels.energy.values, stored.potential.mean(axis=0) / start.n, atol=1e-6)


def test_errors_are_right_at_the_shortest_times(liquid):
    """Displacements of 1e-4: squares far below 2^-20, the unit that a million replicas would need."""
    system, start = liquid
    common = dict(temperature=0.8, times=[1e-4], replicas=16, seed=4, dt=1e-4, backend="cpu", progress=False)
    labels = gg.isoconfigurational(system, start, **common)
    stored = gg.simulate.md(system, start, keep_positions=True, precision="double", **common)
    _, variance = gg.dynamics.propensity(start.positions, stored.positions)
    assert labels.standard_error.values[0].mean() ** 2 == pytest.approx(variance.mean(), rel=0.2)
    assert square_unit(2**20) == 2.0**20
    assert square_unit(16) * 16 * 2000**2 < 2**63


def test_replicas_do_not_depend_on_their_company(liquid):
    system, start = liquid
    common = dict(temperature=0.8, times=[0.2], seed=4, keep_positions=True, backend="cpu", progress=False)
    few = gg.simulate.md(system, start, replicas=2, **common).positions
    many = gg.simulate.md(system, start, replicas=5, **common).positions
    assert np.array_equal(few, many[:2])
    assert not np.array_equal(many[0], many[1])


def test_fresh_velocities_are_maxwell_boltzmann(liquid):
    """Means, variances and a chi-square of the distribution over 200 draws; momentum zero."""
    system, start = liquid
    plan = engine.MdPlan(
        temperature=0.8, steps=1, samples=(), replicas=200, seed=3, dt=1e-6, thermostat=None, keep_final=True, precision="double"
    )
    v = engine.MdRun(system, [start], plan, Cpu(), progress=False).run().final["velocities"]
    assert np.abs(v.mean(axis=1)).max() < 1e-6
    z = (v / np.sqrt(0.8 * (1 - 1 / start.n))).ravel()
    assert abs(z.mean()) < 1e-6
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / len(z))
    assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / len(z))
    edges = np.linspace(-3, 3, 25)
    counts, _ = np.histogram(z, edges)
    from scipy.stats import norm

    expected = len(z) * np.diff(norm.cdf(edges))
    assert ((counts - expected) ** 2 / expected).sum() < 60  # 24 bins: 99.99 %


def test_conserved_energy_momentum_and_pressure(liquid):
    system, start = liquid
    for thermostat in (None, "nose_hoover"):
        run = gg.simulate.md(
            system, start, temperature=0.8, times=0.05 * np.arange(1, 41), thermostat=thermostat, dt=0.002, seed=1, precision="double",
            backend="cpu", progress=False,
        )  # fmt: skip
        assert np.ptp(run.conserved[0]) / start.n < 2e-4
        assert np.abs(run.final.velocities.sum(axis=0)).max() < 1e-10
    last = gg.energy(system, run.final, backend="cpu")
    assert run.potential[0, -1] == pytest.approx(float(last.potential), rel=1e-9)
    assert run.pressure[0, -1] == pytest.approx(float(last.pressure) + 2 * run.kinetic[0, -1] / 3 / start.box.prod(), rel=1e-9)
    assert run.kinetic[0, -1] == pytest.approx(0.5 * (run.final.velocities**2).sum(), rel=1e-12)


def test_trajectory_equals_lammps(liquid):
    from benchmarks.peers import lammps_md

    if lammps_md.available():
        pytest.skip(lammps_md.available())
    system, start = liquid
    run = gg.simulate.md(
        system, start, thermostat=None, times=[0.4], dt=0.004, precision="double", keep_positions=True, backend="cpu", progress=False
    )
    peer = lammps_md.Lammps(system, start, dt=0.004, skin=0.3)
    peer.run(100)
    apart = run.positions[0, 0] - peer.positions()
    assert np.abs(apart - start.box * np.rint(apart / start.box)).max() < 1e-8


def test_continuing_with_velocities_is_one_run(liquid):
    """Two halves at constant energy equal the whole, to double precision."""
    system, start = liquid
    common = dict(thermostat=None, dt=0.004, precision="double", backend="cpu", progress=False)
    whole = gg.simulate.md(system, start, duration=0.4, **common).final
    half = gg.simulate.md(system, start, duration=0.2, **common).final
    rest = gg.simulate.md(system, half, duration=0.2, **common).final
    np.testing.assert_allclose(rest.velocities, whole.velocities, atol=1e-9)


@pytest.mark.parametrize(("which", "length", "energy"), [("liquid", "sigma_AA", "epsilon_AA"), ("film", "sigma_LS", "epsilon_LS")])
def test_results_say_what_made_them_and_in_which_units(which, length, energy, request):
    system, start = request.getfixturevalue(which)
    common = dict(temperature=0.8, times=[0.05], replicas=2, seed=4, backend="cpu", progress=False)
    labels = gg.isoconfigurational(system, start, dynamics="md", labels=("propensity", "mean_displacement"), **common)
    units = {"propensity": length, "standard_error": length, "mean_displacement": length, "energy": energy, "noise_ceiling": "1"}
    assert {name: getattr(labels, name).attrs["units"] for name in units} == units
    for attrs in (labels.attrs, gg.simulate.md(system, start, **common).attrs):
        assert attrs["version"] == gg.__version__
        assert attrs["density"] == pytest.approx(system.density)
        assert (attrs["law"], attrs["skin"], attrs["thermostat_time"], attrs["temperature"]) == (system.law, 0.5, 0.5, 0.8)
        assert attrs["time_unit"].startswith("sqrt")
    other = replace(system, cutoff=0.99 * system.cutoff)
    assert gg.simulate.md(other, start, **common).attrs["physics"] != labels.attrs["physics"]
