"""HOOMD-blue as engine and as witness: it and our kernels compute one physics."""

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
def hoomd():
    return pytest.importorskip("hoomd", reason=f"HOOMD-blue is not installed: {engine.INSTALL}")


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


# ------------------------------------------------------------ one physics


def configurations(name, request):
    """A system, and a random, a thermal and (of Kob-Andersen where the data are) a published configuration."""
    if name == "ternary 2D":
        system, thermal = request.getfixturevalue("film")
        return system, [system.random_snapshot(3), thermal]
    _, thermal = request.getfixturevalue("liquid")
    cutoff, law = {"per_pair": ("per_pair", "shifted"), "sigma_AA": ("sigma_AA", "shifted"), "smooth": ("sigma_AA", "smooth")}[name]
    return gg.systems.kob_andersen(n=500, cutoff=cutoff, law=law), [gg.systems.kob_andersen(n=500).random_snapshot(3), thermal]


def sizes_of_sums(system, start):
    """What a particle's energy and force are sums of, most of which cancels: the sizes of attraction and repulsion of every pair, (N,)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(np.mod(start.positions, start.box) % start.box, boxsize=start.box)
    i, j = tree.query_pairs(float(system.cutoff.max()), output_type="ndarray").T
    apart = start.positions[i] - start.positions[j]
    apart -= start.box * np.rint(apart / start.box)
    r = np.linalg.norm(apart, axis=1)
    kinds = start.types[i], start.types[j]
    six, near = (system.sigma[kinds] / r) ** 6, r < system.cutoff[kinds]
    energy, force = 4 * system.epsilon[kinds] * near * np.stack([six**2 + six, (12 * six**2 + 6 * six) / r])
    both = [np.bincount(np.concatenate([i, j]), np.tile(np.abs(x), 2), start.n) for x in (energy, force)]
    return both[0] / 2, both[1]


def compare_energies(system, start):
    """Both precisions of ours against HOOMD's, which is double in all official builds: to 1e-10 (and as much of
    what is compared, where it is large); single precision to 1e-6 of what was summed."""
    theirs = gg.energy(system, start, backend="hoomd")
    ours = gg.energy(system, start, precision="double", backend="cpu")
    for name in ("per_particle", "forces", "pressure"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-10, atol=1e-10)
    assert ours.potential / start.n == pytest.approx(theirs.potential / start.n, rel=1e-10, abs=1e-10)
    single = gg.energy(system, start, precision="single", backend="cpu")
    energies, forces = sizes_of_sums(system, start)
    assert single.potential == pytest.approx(theirs.potential, rel=1e-6)
    assert (np.abs(single.per_particle - theirs.per_particle) < 1e-6 * energies).all()
    assert (np.linalg.norm(single.forces - theirs.forces, axis=1) < 1e-6 * forces).all()
    assert abs(single.pressure - theirs.pressure) < 1e-6 * forces.sum() / start.box.prod()


@pytest.mark.parametrize("name", ["per_pair", "sigma_AA", "smooth", "ternary 2D"])
def test_energies_and_forces(hoomd, request, name):
    system, starts = configurations(name, request)
    for start in starts:
        compare_energies(system, start)


@pytest.mark.parametrize("cutoff", ["per_pair", "sigma_AA"])
def test_energies_of_published_configurations(hoomd, bapst, data, cutoff):
    botan = gg.io.read_botan(data / "botan" / "isoconfig_N4096T0.44_1_tc07.npz")
    for start in (bapst.snapshot, botan.snapshot):
        compare_energies(gg.systems.kob_andersen(cutoff=cutoff), start)


@pytest.mark.parametrize("name", ["per_pair", "ternary 2D"])
def test_trajectories_at_constant_energy(hoomd, request, name):
    """From the same velocities, in double precision: after 100 steps they differ by what rounding has grown to, and by the rest of the
    quartic's table."""
    system, starts = configurations(name, request)
    table = np.outer(1 + np.arange(len(system.species)), np.cos(np.linspace(0, 9, 402)))
    table[:, :5] = table[:, -2:] = 0
    asked = {
        "score": gg.dynamics.Scores(system.species, 3.0, table, 0.5, np.arange(starts[1].n) % 4 - 1),
        "times": [0.005 * k for k in (1, 10, 100)],
        "thermostat": None,
        "keep_positions": True,
        "precision": "double",
        "progress": False,
    }
    ours, theirs = (gg.simulate.md(system, starts[1], **asked, backend=backend) for backend in ("cpu", "hoomd"))
    assert np.abs(ours.positions - theirs.positions).max() < 1e-10
    for name in ("mean", "deviation"):
        assert theirs.scores[name].values == pytest.approx(ours.scores[name].values, abs=1e-8)
    for field in ("potential", "kinetic", "conserved", "pressure"):
        assert getattr(theirs, field) == pytest.approx(getattr(ours, field), rel=1e-9)
    assert theirs.final.velocities == pytest.approx(ours.final.velocities, abs=1e-9)
    assert theirs.attrs["backend"] == "hoomd" and theirs.attrs["hoomd_version"] == hoomd.version.version


def test_what_is_recorded(hoomd, film):
    """Labels and observables of an ensemble, from the positions of the same runs."""
    system, start = film
    asked = {"temperature": 0.6, "times": [0.1, 0.5], "replicas": 3, "seed": 4, "observe": gg.dynamics.Observe(6.3, bins=10, bin_width=0.1)}
    found = gg.isoconfigurational(
        system, [start, start], dynamics="md", labels=("propensity", "mean_displacement", "bond_breaking"), **asked, **QUIET
    )
    kept = gg.simulate.md(system, [start, start], keep_positions=True, **asked, **QUIET)
    moved = gg.dynamics.displacements(start.positions, kept.positions)
    caged = gg.dynamics.cage_relative(system, [start, start], moved)
    assert found.propensity.values == pytest.approx(np.linalg.norm(caged, axis=-1).mean(axis=1), abs=1e-8)
    assert found.mean_displacement.values == pytest.approx(moved.mean(axis=1), abs=1e-8)
    bonds = gg.dynamics.bond_breaking(system, [start, start], kept.positions)
    assert found.bond_breaking.values == pytest.approx(bonds.mean(axis=1), abs=1e-12)
    assert found.energy.values == pytest.approx(kept.potential.mean(axis=1) / start.n, rel=1e-12)
    for species in range(3):
        mine = start.types == species
        seen = found.observables.isel(species=species)
        square = (moved[..., mine, :] ** 2).sum(axis=-1).mean(axis=-1)
        assert seen["mean_squared_displacement"].values == pytest.approx(square, rel=1e-10)
        scattering = gg.dynamics.self_intermediate_scattering(caged[..., mine, :], 6.3)
        assert seen["cage_relative_self_intermediate_scattering"].values == pytest.approx(scattering, abs=1e-12)
        hove = gg.dynamics.van_hove(caged[..., mine, :], 0.1 * np.arange(11)).mean(axis=1)
        assert seen["van_hove"].values == pytest.approx(hove, abs=1e-12)


def of_both(system, start, **asked):
    return [gg.simulate.md(system, start, **asked, backend=backend, progress=False) for backend in ("cpu", "hoomd")]


def differ_by(ours, theirs):
    """How many standard errors two sets of independent numbers differ by, along their first axis."""
    error = np.sqrt(ours.var(axis=0, ddof=1) / len(ours) + theirs.var(axis=0, ddof=1) / len(theirs))
    return np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) / error


@pytest.mark.parametrize("thermostat", ["nose_hoover", "langevin"])
def test_averages_at_constant_temperature(hoomd, liquid, thermostat):
    system, start = liquid
    asked = {"temperature": 0.8, "times": np.arange(1.0, 3.01, 0.5), "thermostat": thermostat, "replicas": 10}
    ours, theirs = of_both(system, start, seed=5, observe=gg.dynamics.Observe(7.2), **asked)
    assert differ_by(ours.potential.mean(axis=1), theirs.potential.mean(axis=1)) < 4
    assert differ_by(ours.pressure.mean(axis=1), theirs.pressure.mean(axis=1)) < 4
    scattering = [r.observables["self_intermediate_scattering"].sel(species="A").values[0] for r in (ours, theirs)]
    assert (differ_by(*scattering) < 4).all()


def test_kinetic_energy_of_langevin_dynamics(hoomd, liquid):
    """Mean and variance of the canonical distribution, 3 N / 2 degrees of freedom: momentum is not conserved."""
    system, start = liquid
    run = gg.simulate.md(
        system, start, temperature=0.8, times=np.arange(0.5, 16.01, 0.25), thermostat="langevin", thermostat_time=0.05, dt=0.0025, **QUIET
    )
    kinetic, half = run.kinetic[0], 1.5 * start.n
    assert kinetic.mean() == pytest.approx(0.8 * half, abs=4 * 0.8 * np.sqrt(half / kinetic.size) + 0.005 * 0.8 * half)
    assert kinetic.var() == pytest.approx(0.64 * half, rel=4 * np.sqrt(2 / kinetic.size))


def test_a_bath_follows_its_protocol(hoomd, liquid):
    system, start = liquid
    from glassgpu.protocols import hold, ramp

    segments = hold(0.8, 0.5) + ramp(0.8, 1.6, 2.0) + hold(0.5, 1.0)
    times = [0.5, 1.5, 2.5, 3.5]
    run = gg.simulate.md(
        system, start, temperature=segments, times=times, thermostat="langevin", thermostat_time=0.02, replicas=4, seed=2, **QUIET
    )
    found = 2 * run.kinetic.mean(axis=0) / (3 * start.n)
    assert found == pytest.approx([0.8, 1.2, 1.6, 0.5], rel=0.08)


def test_propensities_agree_up_to_their_noise(hoomd, liquid):
    """Two ensembles of one configuration correlate at the product of their noise ceilings."""
    system, start = liquid
    asked = {"temperature": 0.8, "times": [0.2, 2.0], "replicas": 32, "progress": False}
    ours = gg.isoconfigurational(system, start, seed=1, backend="cpu", **asked)
    theirs = gg.isoconfigurational(system, start, seed=2, backend="hoomd", **asked)
    mine = start.types == 0
    for k in range(2):
        found = np.corrcoef(ours.propensity.values[k, mine], theirs.propensity.values[k, mine])[0, 1]
        expected = float(ours.noise_ceiling[k, 0] * theirs.noise_ceiling[k, 0])
        assert found == pytest.approx(expected, abs=0.08)
        assert ours.propensity.values[k, mine].mean() == pytest.approx(theirs.propensity.values[k, mine].mean(), rel=0.03)


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


@pytest.mark.parametrize(
    ("name", "thermostat"), [("per_pair", "nose_hoover"), ("per_pair", "langevin"), ("per_pair", None), ("ternary 2D", None)]
)
def test_an_interrupted_run_goes_on_with_the_same_numbers(hoomd, request, tmp_path, monkeypatch, name, thermostat):
    """Bit for bit on one machine, in the middle of the second of two replicas."""
    system, starts = configurations(name, request)
    monkeypatch.setattr(hoomd_runs, "WORK_PER_CHUNK", 60 * starts[1].n)
    monkeypatch.setattr(runs, "SECONDS_PER_CHECKPOINT", 0.0)

    def run(**options):
        return gg.simulate.md(
            system, starts[1], temperature=0.8, times=[0.1, 0.5, 0.9], thermostat=thermostat, replicas=2, seed=1, keep_positions=True,
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
            system, starts[1], temperature=0.8, times=[0.1, 0.5, 0.9], thermostat=thermostat, replicas=2, seed=1, keep_positions=True,
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


# ------------------------------------------------------------ longer ones


@pytest.mark.validate
def test_distributions_at_constant_temperature(hoomd, figures):
    """Energy, its fluctuation, pressure, g(r) and F_s of Kob-Andersen at T = 0.7."""
    system = gg.systems.kob_andersen(n=1000, cutoff="per_pair")
    start = gg.equilibrate(system, 0.7, 60, seed=1, accept=None, progress=False)
    times = np.concatenate([[0.1, 0.3, 1.0, 3.0], np.arange(5.0, 30.1, 0.5)])
    asked = {"temperature": 0.7, "times": times, "replicas": 12, "observe": gg.dynamics.Observe(7.2), "keep_positions": True}
    ours, theirs = of_both(system, start, seed=6, **asked)
    late = slice(4, None)
    seen = {
        "energy": differ_by(*[r.potential[:, late].mean(axis=1) for r in (ours, theirs)]),
        "fluctuation of energy": differ_by(*[r.potential[:, late].var(axis=1) for r in (ours, theirs)]),
        "fluctuation of kinetic energy": differ_by(*[r.kinetic[:, late].var(axis=1) for r in (ours, theirs)]),
        "pressure": differ_by(*[r.pressure[:, late].mean(axis=1) for r in (ours, theirs)]),
        "F_s": differ_by(*[r.observables["self_intermediate_scattering"].sel(species="A").values[0] for r in (ours, theirs)]).max(),
        "g_AA": differ_by(*[np.stack([_rdf(start, x[late]) for x in r.positions]) for r in (ours, theirs)]).max(),
    }
    figures(**{name: float(value) for name, value in seen.items()}, unit="standard errors")
    assert all(value < 4.5 for value in seen.values())


def _rdf(start, positions):
    """g_AA(r) in 50 bins from 0.9 to 3, averaged over frames."""
    import freud

    found = freud.density.RDF(50, 3.0, 0.9)
    for frame in positions[::10]:
        points = frame[start.types == 0]
        points = points - start.box * np.rint(points / start.box)
        found.compute((freud.box.Box(*start.box), points.astype(np.float32)), reset=False)
    return found.rdf[found.rdf > 0]


@pytest.mark.validate
def test_hard_spheres_beside_monte_carlo(hoomd, figures):
    """Our collisions against HOOMD's Monte Carlo (hpmc) at a packing fraction of 0.45: the pressure, by its scale distribution
    function and by our virial, and g_ab at contact, extrapolated there and counted here."""
    if not hoomd.version.hpmc_built:
        pytest.skip("this build of HOOMD-blue is without hpmc")
    system = gg.systems.hard_spheres(n=500, packing=0.45)
    start = gg.equilibrate(system, 1.0, 30, seed=1, accept=None, progress=False)
    run = gg.simulate.edmd(system, start, temperature=1.0, times=np.arange(10.0, 101.0, 10), replicas=8, seed=2, progress=False)
    degrees = 3 * (start.n - 1)
    collisions = (run.pressure / (2 * run.kinetic / degrees)).mean(axis=1)  # at temperature 1
    contact = run.contact_values
    pressures, contacts = zip(*[_by_monte_carlo(hoomd, system, start, seed) for seed in range(6)], strict=True)
    seen = {
        "pressure": differ_by(collisions, np.array(pressures)),
        **{f"g_{a}{b}": differ_by(contact[:, a, b], np.array(contacts)[:, a, b]) for a, b in ((0, 0), (0, 1), (1, 1))},
    }
    figures(
        **{name: float(value) for name, value in seen.items()}, unit="standard errors",
        pressure_of_both=[float(collisions.mean()), float(np.mean(pressures))],
        contact_of_both=[contact.mean(axis=0).tolist(), np.mean(contacts, axis=0).tolist()],
    )  # fmt: skip
    assert all(value < 4 for value in seen.values())


def _by_monte_carlo(hoomd, system, start, seed, samples=150, sweeps=20):
    """beta P and g_ab at contact (species, species) of one run."""
    place = engine.hoomd_place()
    simulation = hoomd.Simulation(device=place.device, seed=seed)
    first = hoomd.Snapshot(place.device.communicator)
    first.configuration.box = [*start.box.tolist(), 0, 0, 0]
    first.particles.N, first.particles.types = start.n, list(system.species)
    first.particles.typeid[:] = start.types
    first.particles.position[:] = start.positions
    simulation.create_state_from_snapshot(first)
    moves = hoomd.hpmc.integrate.Sphere(default_d=0.12)
    for name, diameter in zip(system.species, np.diag(system.sigma).tolist(), strict=True):
        moves.shape[name] = {"diameter": diameter}
    simulation.operations.integrator = moves
    scale = hoomd.hpmc.compute.SDF(xmax=0.02, dx=1e-4)
    simulation.operations.computes.append(scale)
    simulation.run(2000)
    width, bins = 0.005, 12  # of r / sigma_ab - 1
    counts, pressure = np.zeros((len(system.species), len(system.species), bins)), []
    i, j = np.triu_indices(start.n, 1)
    a, b = np.sort([start.types[i], start.types[j]], axis=0)
    for _ in range(samples):
        simulation.run(sweeps)
        pressure.append(scale.betaP)
        x = simulation.state.get_snapshot().particles.position
        apart = x[i] - x[j]
        apart -= start.box * np.rint(apart / start.box)
        beyond = np.linalg.norm(apart, axis=1) / system.sigma[a, b] - 1
        near = beyond < width * bins
        np.add.at(counts, (a[near], b[near], (beyond[near] / width).astype(int)), 1)
    number = np.bincount(start.types)
    pairs = np.where(np.eye(len(number), dtype=bool), number * (number - 1) / 2, np.outer(number, number))
    edges = 1 + width * np.arange(bins + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3) * system.sigma[..., None] ** 3 / start.box.prod()
    g = counts / (samples * pairs[..., None] * shells)
    middle, contact = edges[:-1] + width / 2 - 1, np.zeros_like(pairs)
    for s, t in ((0, 0), (0, 1), (1, 1)):
        contact[s, t] = contact[t, s] = np.exp(np.polyval(np.polyfit(middle, np.log(g[s, t]), 2), 0.0))
    return np.mean(pressure), contact
