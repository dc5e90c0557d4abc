"""HOOMD-blue as engine: what it is asked, what it refuses, seeds, interruptions, ranks, files."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

import glassgpu as gg
from benchmarks.peers import hoomd_md
from glassgpu.engines import hoomd as engine
from glassgpu.engines import hoomd_runs, runs
from glassgpu.errors import BoxTooSmall, DeviceMissing, InvalidInput, SimulationFailed

QUIET = {"backend": "hoomd", "progress": False}


@pytest.fixture
def without_hoomd(monkeypatch):
    monkeypatch.setitem(sys.modules, "hoomd", None)
    engine.hoomd_place.cache_clear()


CALLS = {
    "md": lambda system, start: gg.simulate.md(system, start, temperature=1.0, duration=0.1, backend="hoomd"),
    "isoconfigurational": lambda system, start: gg.isoconfigurational(
        system, start, temperature=1.0, times=[0.1], replicas=2, seed=1, backend="hoomd"
    ),
    "equilibrate": lambda system, start: gg.equilibrate(system, 1.0, 0.1, seed=1, backend="hoomd"),
    "quench": lambda system, start: gg.simulate.quench(system, start, backend="hoomd"),
    "energy": lambda system, start: gg.energy(system, start, backend="hoomd"),
}


@pytest.mark.parametrize("call", CALLS)
def test_without_hoomd_the_error_says_how_to_get_it(without_hoomd, lattice, call):
    system, start = gg.systems.kob_andersen(n=512), lattice(8, 7.5)
    with pytest.raises(DeviceMissing, match=r"conda install -c conda-forge hoomd.*gpu.*ENABLE_MPI"):
        CALLS[call](system, start)


def test_the_doctor_names_it(without_hoomd, capsys):
    from glassgpu.cli import doctor

    assert doctor.report() == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if " hoomd " in line)
    assert line.startswith("missing") and engine.INSTALL in line


def test_what_it_does_not_run(lattice):
    """Told before HOOMD-blue is looked for."""
    system, start = gg.systems.ternary_2d(n=400), lattice(20, 20.0, d=2, species=3)
    runs_of_others = (
        lambda: gg.simulate.mc(system, start, temperature=1.0, duration=1, backend="hoomd"),
        lambda: gg.simulate.swap_mc(system, start, temperature=1.0, duration=1, backend="hoomd"),
        lambda: gg.equilibrate(system, 1.0, 1, seed=1, backend="hoomd"),
        lambda: gg.isoconfigurational(system, start, temperature=1.0, times=[1], replicas=2, seed=1, backend="hoomd"),
        lambda: gg.selection.information_imbalance(np.eye(5), np.eye(5), backend="hoomd"),
    )
    for call in runs_of_others:
        with pytest.raises(InvalidInput, match="dynamics='md'"):
            call()
    with pytest.raises(InvalidInput, match="hoomd"):
        gg.descriptors.Softness(backend="hoomd")


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SuspiciousInput")
def test_workers(hoomd, lattice):
    """Replicas in other processes: the same bits."""
    how = {"temperature": 1.5, "times": [0.1, 0.2], "replicas": 2, "seed": 3, "backend": "hoomd", "progress": False}
    given = gg.systems.kob_andersen(n=512), [lattice(8, 7.5)] * 2
    here = gg.isoconfigurational(*given, **how)
    with gg.executors.Processes(2) as workers:
        there = gg.isoconfigurational(*given, **how, executor=workers)
    assert np.array_equal(here.propensity, there.propensity) and here.attrs == there.attrs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "single"}, "leave precision= out"),
        ({"threads": 2}, "mpirun"),
        ({"batch": 2}, "leave it out"),
        ({"chunk": 2}, "leave it out"),
        ({"frames": "frames.zarr", "duration": 20}, "frames="),
        ({"temperature": None, "thermostat": None}, "velocities"),
    ],
)
def test_bad_input(hoomd, lattice, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    if "precision" in options and engine.hoomd_place().precision == "single":
        options = {"precision": "double"}
    with pytest.raises(InvalidInput, match=words):
        gg.simulate.md(gg.systems.kob_andersen(n=512), lattice(8, 7.5), **{"temperature": 1.0, "duration": 0.1, **QUIET, **options})


def test_bad_input_of_other_calls(hoomd, lattice):
    system, start = gg.systems.kob_andersen(n=512), lattice(8, 7.5)
    with pytest.raises(InvalidInput, match="rearrangement"):
        gg.isoconfigurational(system, start, temperature=1.0, times=[5], replicas=2, seed=1, labels=("rearrangement",), **QUIET)
    for options in ({"method": "steepest"}, {"keep_energies": True}):
        with pytest.raises(InvalidInput, match="FIRE"):
            gg.simulate.quench(system, start, **options, **QUIET)
    with pytest.raises(BoxTooSmall, match=r"neighbour lists beyond the cut-off.*take N >= "):
        gg.energy(gg.systems.kob_andersen(n=216), lattice(6, 5.05), backend="hoomd")
    with pytest.raises(SimulationFailed, match=r"configuration 0, replica 0.*smaller dt"):
        gg.simulate.md(system, system.random_snapshot(1), temperature=1.0, duration=5, dt=0.1, **QUIET)


# ------------------------------------------------------------ quenches and equilibration


def test_quench(hoomd, liquid):
    """An inherent state of the same liquid: another minimum nearby, and the same one where the start nearly stands in it."""
    system, start = gg.systems.kob_andersen(n=500, law="smooth"), liquid[1]
    theirs = gg.simulate.quench(system, [start, start], force_tolerance=1e-7, **QUIET)
    ours = gg.simulate.quench(system, start, force_tolerance=1e-7, backend="cpu", progress=False)
    assert (theirs.largest_force < 1e-7).all() and theirs.potential[0] == theirs.potential[1]
    assert theirs.potential[0] / start.n == pytest.approx(ours.potential / start.n, abs=0.05)
    assert np.abs(gg.energy(system, theirs.final[0], backend="cpu").forces).max() < 1.1e-7
    shaken = gg.Snapshot(ours.final.positions + np.random.default_rng(1).normal(scale=0.003, size=(start.n, 3)), start.types, start.box)
    again = gg.simulate.quench(system, shaken, force_tolerance=1e-7, **QUIET)
    moved = gg.dynamics.displacements(ours.final.positions, again.final.positions, box=start.box)
    assert np.abs(moved).max() < 1e-4
    with pytest.raises(gg.errors.NotConverged, match="most_steps=10"):
        gg.simulate.quench(system, start, most_steps=10, **QUIET)


def test_equilibrate(hoomd, liquid):
    system, _ = liquid
    state = gg.equilibrate(system, 1.5, 2.0, seed=3, **QUIET)
    assert state.velocities is not None and gg.energy(system, state, backend="cpu").potential / state.n < -5


# ------------------------------------------------------------ seeds, interruptions


@pytest.mark.parametrize("thermostat", [None, "langevin"])
def test_seeds_that_agree_in_sixteen_bits(hoomd, liquid, thermostat):
    """HOOMD keeps 16 bits of a seed."""
    system, start = liquid
    asked = {"temperature": 0.8, "times": [0.1], "thermostat": thermostat, "keep_positions": True, "replicas": 2}
    found = [gg.simulate.md(system, start, seed=seed, **asked, **QUIET).positions[:, 0] for seed in (1, 1 + 2**16, 1 + 2**40, 1)]
    assert np.array_equal(found[0], found[3])
    every = [*found[0], *found[1], *found[2]]
    assert all(np.abs(a - b).max() > 0.05 for k, a in enumerate(every) for b in every[:k])


def test_noise_that_agrees_in_sixteen_bits(hoomd, liquid):
    """The noise itself, not only the velocities that a run begins with: two replicas whose seeds are one to HOOMD."""
    system, start = liquid
    order, found = np.arange(start.n), []
    for key in (5, 5 + 2**16, 5 + 2**20, 5):
        simulator = engine.Simulator(engine.hoomd_place(), system, start, order, 0.4, "langevin", time=0.1, key=key)
        assert simulator.simulation.seed == 5
        simulator.begin(start.positions.T, np.zeros((3, start.n)), np.zeros(2), (0.8, 0.8))
        simulator.run(20)
        found.append(simulator.state()["velocity"])
    assert np.array_equal(found[0], found[3])
    assert all(np.abs(a - b).max() > 0.5 for k, a in enumerate(found[:3]) for b in found[:k])


def interrupted(call, at, **options):
    def stop(done):
        if done > at:
            raise KeyboardInterrupt

    with pytest.raises(gg.errors.Interrupted, match="the same call continues"):
        call(**{**options, "progress": stop})


@pytest.mark.parametrize(("name", "thermostat"), [("liquid", "nose_hoover"), ("liquid", "langevin"), ("liquid", None), ("film", None)])
def test_an_interrupted_run_goes_on_with_the_same_numbers(hoomd, request, tmp_path, monkeypatch, name, thermostat):
    """Bit for bit on one machine, in the middle of the second of two replicas."""
    system, start = request.getfixturevalue(name)
    monkeypatch.setattr(hoomd_runs, "WORK_PER_CHUNK", 60 * start.n)
    monkeypatch.setattr(runs, "SECONDS_PER_CHECKPOINT", 0.0)

    def run(**options):
        return gg.simulate.md(
            system, start, temperature=0.8, times=[0.1, 0.5, 0.9], thermostat=thermostat, replicas=2, seed=1, keep_positions=True,
            backend="hoomd", **options,
        )  # fmt: skip

    whole = run(progress=False)
    checkpoint = tmp_path / "run.npz"
    interrupted(run, 0.7, checkpoint=checkpoint)
    rest = run(progress=False, checkpoint=checkpoint)
    for field in ("positions", "potential", "conserved", "pressure", "rebuilds"):
        assert np.array_equal(getattr(whole, field), getattr(rest, field)), field
    assert all(np.array_equal(a.velocities, b.velocities) for a, b in zip(whole.final, rest.final, strict=True))
    with pytest.raises(gg.errors.CheckpointMismatch, match="engine"):
        gg.simulate.md(
            system, start, temperature=0.8, times=[0.1, 0.5, 0.9], thermostat=thermostat, replicas=2, seed=1, keep_positions=True,
            backend="cpu", precision="double", checkpoint=checkpoint,
        )  # fmt: skip


def test_an_interrupted_quench_goes_on(hoomd, liquid, tmp_path, monkeypatch):
    system, start = liquid
    monkeypatch.setattr(hoomd_runs, "FIRE_STEPS", 200)
    starts = [start, gg.simulate.md(system, start, temperature=0.8, duration=0.5, backend="cpu", progress=False).final]

    def run(**options):
        return gg.simulate.quench(system, starts, force_tolerance=1e-4, backend="hoomd", **options)

    whole, checkpoint = run(progress=False), tmp_path / "quench.npz"
    interrupted(run, 0.4, checkpoint=checkpoint)
    rest = run(progress=False, checkpoint=checkpoint)
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(whole.final, rest.final, strict=True))


def test_an_interrupted_equilibration_goes_on(hoomd, liquid, tmp_path):
    system, start = liquid

    def run(**options):
        return gg.equilibrate(system, 1.2, 0.6, seed=3, start=start, accept=None, backend="hoomd", **options)

    whole, checkpoint = run(progress=False), tmp_path / "liquid.npz"
    interrupted(run, 0.0, checkpoint=checkpoint)
    assert np.array_equal(run(progress=False, checkpoint=checkpoint).positions, whole.positions)


# ------------------------------------------------------------ MPI

PARALLEL = """
import sys, numpy as np, glassgpu as gg
from glassgpu.engines import hoomd_runs, runs
from glassgpu.engines.hoomd import hoomd_place
place, folder = hoomd_place(), sys.argv[1]
system = gg.systems.kob_andersen(n=2200)
start = gg.io.read_gsd(folder + "/start.gsd", species=system.species)
asked = {"backend": "hoomd", "progress": False}
run = gg.simulate.md(system, start, times=[0.05, 0.25], thermostat=None, keep_positions=True, **asked)
ensemble = gg.isoconfigurational(system, start, temperature=1.0, times=[0.1], replicas=3, seed=1, checkpoint=folder + "/e.npz", **asked)
again = gg.isoconfigurational(system, start, temperature=1.0, times=[0.1], replicas=3, seed=1, checkpoint=folder + "/e.npz", **asked)
assert np.array_equal(ensemble.propensity, again.propensity)
quenched = gg.simulate.quench(system, start, force_tolerance=1e-2, **asked)
liquid = gg.equilibrate(system, 1.0, 0.1, seed=1, start=start, accept=None, checkpoint=folder + "/q.npz", **asked)
energy = gg.energy(system, start, backend="hoomd")
if place.ranks > 1:
    small = gg.systems.kob_andersen(n=800)
    try:
        gg.energy(small, small.random_snapshot(1), backend="hoomd")
    except gg.errors.BoxTooSmall as error:
        assert "2 MPI ranks" in str(error)
    else:
        raise AssertionError
np.savez(
    f"{folder}/rank{place.rank}of{place.ranks}.npz", positions=run.positions, pressure=run.pressure, propensity=ensemble.propensity.values,
    inherent=quenched.final.positions, liquid=liquid.positions, forces=energy.forces, potential=energy.potential,
)
"""


def test_two_ranks(hoomd, tmp_path):
    """Every rank returns the same, and the same as one rank does but for rounding."""
    if not hoomd.version.mpi_enabled:
        pytest.skip("this build of HOOMD-blue is without MPI")
    pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install mpi4py")
    launch, environment = hoomd_md.launcher(2), hoomd_md.clean_environment()
    if launch is None:
        pytest.skip("no mpirun here starts this build of HOOMD-blue on two ranks")
    system = gg.systems.kob_andersen(n=2200)
    start = gg.equilibrate(system, 1.0, 1.0, seed=1, accept=None, backend="cpu", progress=False)
    gg.io.write_gsd(tmp_path / "start.gsd", start, species=system.species)
    script = tmp_path / "parallel.py"
    script.write_text(PARALLEL)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(tmp_path / "start.gsd", alone)
    subprocess.run([*launch, sys.executable, str(script), str(tmp_path)], check=True, timeout=300, env=environment)
    subprocess.run([sys.executable, str(script), str(alone)], check=True, timeout=300, env=environment)
    first, second = (np.load(tmp_path / f"rank{k}of2.npz") for k in range(2))
    one = np.load(alone / "rank0of1.npz")
    for name in first.files:
        assert np.array_equal(first[name], second[name]), name
    for name in ("positions", "pressure", "propensity", "forces", "potential"):
        assert first[name] == pytest.approx(one[name], rel=1e-7, abs=1e-7), name


# ------------------------------------------------------------ files


def test_gsd_files_with_numbers_of_each_particle(hoomd, liquid, tmp_path):
    """HOOMD's own writer and ours: gsd and freud read both, the numbers are there from frame 0 on."""
    import freud
    import gsd.hoomd

    system, start = liquid
    propensity, softness = np.random.default_rng(0).normal(size=(2, start.n))
    place = engine.hoomd_place()
    simulator = engine.Simulator(place, system, start, np.arange(start.n), 0.4)
    simulator.begin(start.positions.T, start.velocities.T, np.zeros(2))
    log = engine.particle_log({"propensity": propensity, "softness": lambda: softness})
    theirs, ours = tmp_path / "theirs.gsd", tmp_path / "ours.gsd"
    writer = hoomd.write.GSD(trigger=10, filename=str(theirs), mode="xb", dynamic=["property", "momentum"], logger=log)
    simulator.simulation.operations.writers.append(writer)
    simulator.run(20)
    writer.flush()
    gg.io.write_gsd(ours, [start, start], species=system.species, log={"propensity": [propensity] * 2, "softness": [softness] * 2})
    for path in (theirs, ours):
        with gsd.hoomd.open(path, "r") as trajectory:
            assert len(trajectory) == 2
            for frame in trajectory:
                assert np.array_equal(frame.log["particles/glassgpu/propensity"], propensity)
                assert np.array_equal(frame.log["particles/glassgpu/softness"], softness)
                assert freud.density.RDF(50, 3.0).compute(frame).rdf.max() > 2
    last = gg.io.read_gsd(theirs, frames=-1, species=system.species)
    assert last.velocities == pytest.approx(simulator.state()["velocity"].T, abs=1e-5)
    with pytest.raises(InvalidInput, match="a row for each particle"):
        engine.particle_log({"propensity": 1.0})
