"""HOOMD-blue as witness: it and our kernels compute one physics."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.engines import hoomd as engine

QUIET = {"backend": "hoomd", "progress": False}


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
    system = gg.systems.hard_spheres(n=500, packing_fraction=0.45)
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
