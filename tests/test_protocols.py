"""Baths that change and baths of noise: against slow integrators, however the work is cut, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from references import langevin, metropolis, velocity_verlet

import glassgpu as gg
from glassgpu import protocols
from glassgpu.engines.mc import McPlan, McRun
from glassgpu.engines.md import MdPlan, MdRun
from glassgpu.engines.plan import replica_keys
from glassgpu.launch import Cpu
from glassgpu.protocols import Segment, cycle, duration_of, hold, in_steps, quench, ramp, temperature_at

QUIET = {"backend": "cpu", "progress": False}
PATH = ((4, 0.7, 0.7), (14, 0.7, 1.2), (20, 0.5, 0.5))  # last step, from, to: a hold, a ramp, a jump
EACH = np.array([0.7] * 4 + [0.7 + 0.05 * k for k in range(1, 11)] + [0.5] * 6)


def small(name):
    system = gg.systems.ternary_2d(n=120) if name == "film" else gg.systems.kob_andersen(n=160, density=1.0, cutoff="per_pair")
    return system, gg.equilibrate(system, 1.0, 1, seed=2, dynamics="md", accept=None, **QUIET)


@pytest.fixture(scope="module", params=["liquid", "film"])
def some(request):
    return small(request.param)


def run_of(system, start, target=None, checkpoint=None, batch=None, chunk=None, **plan):
    settings = {
        "temperature": 0.7, "steps": 20, "samples": tuple(range(1, 21)), "replicas": 1, "seed": 5, "dt": 0.004, "thermostat_time": 0.3,
        "skin": 0.1, "keep_positions": True, "keep_final": True, "labels": False, **plan,
    }  # fmt: skip
    how = {"batch": batch, "chunk": chunk, "checkpoint": checkpoint}
    return MdRun(system, [start], MdPlan(**settings), target or Cpu(1), progress=False, **how).run()


@pytest.mark.parametrize("protocol", [(), PATH])
@pytest.mark.parametrize("thermostat", ["nose_hoover", "langevin"])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_equals_a_slow_integrator(some, thermostat, precision, protocol):
    system, start = some
    run = run_of(system, start, thermostat=thermostat, precision=precision, protocol=protocol, draw_velocities=False)
    assert run.rebuilds > 0
    bath = EACH if protocol else np.full(20, 0.7)
    if thermostat == "langevin":
        key = int(replica_keys(5, np.array([0]), 1)[0])
        slow = langevin(system, start, run.problem.order[0], 0.004, bath, 0.3, key)
    else:
        slow = velocity_verlet(system, start, 0.004, 20, (bath, 0.3))
    tolerance = {"double": 1e-10, "single": 3e-5}[precision]
    found = run.results()
    for k, (x, _) in enumerate(slow):
        np.testing.assert_allclose(found["positions"][0, k], x, atol=tolerance)
    np.testing.assert_allclose(found["velocities"][0], slow[-1][1], atol=30 * tolerance)


def test_monte_carlo_equals_a_slow_chain(some):
    system, start = some
    path = ((3, 0.9, 0.9), (7, 0.9, 0.5), (10, 2.0, 2.0))
    each = np.array([0.9] * 3 + [0.8, 0.7, 0.6, 0.5] + [2.0] * 3)
    plan = McPlan(
        temperature=0.9, steps=10, samples=tuple(range(1, 11)), replicas=1, seed=4, skin=0.3, precision="double", protocol=path,
        keep_positions=True, labels=False,
    )  # fmt: skip
    run = McRun(system, [start], plan, Cpu(1), progress=False).run()
    slow = metropolis(system, start, run.problem.order[0], each, 0.12, None, int(replica_keys(4, np.array([0]), 1)[0]), 10)
    for k, (x, _, _) in enumerate(slow):
        np.testing.assert_allclose(run.results()["positions"][0, k], x, atol=1e-10)
    assert run.results()["displacements"][0].tolist() == slow[-1][2]["displacements"]


@pytest.mark.parametrize("thermostat", ["nose_hoover", "langevin"])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_no_bit_depends_on_how_the_work_is_cut(some, thermostat, precision, tmp_path):
    plan = {"thermostat": thermostat, "precision": precision, "protocol": PATH, "replicas": 5}
    plain = run_of(*some, **plan).results()
    ways = [{"chunk": 7}, {"batch": 2}, {"target": Cpu(2)}, {"checkpoint": tmp_path / "c.npz", "chunk": 3}]
    for how in [*ways, {"target": Cpu(1, shuffled=True)}]:
        found = run_of(*some, **plan, **how).results()
        assert all(np.array_equal(plain[name], found[name]) for name in plain), how


@pytest.mark.parametrize("thermostat", ["nose_hoover", "langevin"])
def test_a_protocol_of_one_temperature_changes_nothing(some, thermostat):
    plain = run_of(*some, thermostat=thermostat).results()
    held = run_of(*some, thermostat=thermostat, protocol=((5, 0.7, 0.7), (9, 0.7, 0.7))).results()
    assert all(np.array_equal(plain[name], held[name]) for name in plain)


def test_particles_carry_their_noise_with_them(liquid):
    """Moved through the periodic boundary and renumbered, a liquid meets other noise but the same bath; numbered alike, the same."""
    system, start = liquid
    common = dict(temperature=0.8, times=[0.1], dt=0.004, thermostat="langevin", precision="double", seed=3, keep_positions=True, **QUIET)
    image = gg.Snapshot(start.positions + start.box * (np.arange(start.n) % 3 - 1)[:, None], start.types, start.box)
    found = [
        gg.simulate.md(system, s, **common).positions[0, 0] - s.positions
        for s in (gg.Snapshot(start.positions, start.types, start.box), image)
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)


def test_noise_is_normal_and_of_the_right_width():
    """Free particles: one step of free flight between noise, 300 replicas of 200 particles; means, variances, fourth moments, and no
    correlation between neighbours in time, space or direction."""
    system = gg.systems.kob_andersen(n=200, density=1e-4, cutoff="per_pair")
    places = (np.stack(np.meshgrid(*[np.arange(6)] * 3), axis=-1).reshape(-1, 3)[:200] / 6 - 0.45) * system.box
    start = gg.Snapshot(places, system.random_snapshot(1).types, system.box, np.zeros((200, 3)))
    for precision in ("single", "double"):
        run = run_of(
            system, start, Cpu(), thermostat="langevin", steps=2, samples=(), replicas=300, draw_velocities=False, precision=precision,
            keep_positions=False, thermostat_time=0.004 / np.log(2), temperature=0.8,
        )  # fmt: skip
        v = run.final["velocities"]  # half of a velocity is left after a step
        z = v / np.sqrt(0.8 * (1 - 2.0**-4))
        assert abs(z.mean()) < 4 / np.sqrt(z.size)
        assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
        assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / z.size)
        for a, b in ((z[:, :-1], z[:, 1:]), (z[:-1], z[1:]), (z[..., :-1], z[..., 1:])):
            assert abs((a * b).mean()) < 4 / np.sqrt(a.size)


def test_the_bath_arrives(liquid):
    """The kinetic energy follows; in Monte Carlo the potential energy, and the pressure has the temperature of its time."""
    system, start = liquid
    for thermostat in ("nose_hoover", "langevin"):
        run = gg.simulate.protocol(
            system, start, hold(0.8, 4) + ramp(0.8, 1.6, 1) + hold(1.6, 4), times=[2, 3, 4, 7, 8, 9], dt=0.004, thermostat=thermostat,
            thermostat_time=0.1, replicas=16, seed=2, **QUIET,
        )  # fmt: skip
        kinetic = run.kinetic.mean(axis=0) / (1.5 * (start.n - (thermostat == "nose_hoover")))
        error = 3 * np.sqrt(2 / (3 * start.n * 16))
        assert np.abs(kinetic[:3] / 0.8 - 1).max() < 3 * error
        assert np.abs(kinetic[3:] / 1.6 - 1).max() < 3 * error
    film, flat = small("film")
    cold = gg.simulate.protocol(film, flat, quench(1.0, 0.3, 20, 200), times=[20, 220], seed=1, **QUIET)
    assert (
        cold.attrs["protocol"] == "until 20: 1, until 220: 0.3"
        and "protocol" not in gg.simulate.md(system, start, temperature=1.0, duration=0.01, **QUIET).attrs
    )
    assert cold.attrs["dynamics"] == "mc" and cold.potential[0, 1] < cold.potential[0, 0] - 0.2 * film.n
    volume = flat.box.prod()
    beyond = cold.pressure[0] * volume - np.array([1.0, 0.3]) * film.n  # the kinetic part is the bath's own
    late = gg.energy(film, cold.final, backend="cpu")
    assert beyond[1] == pytest.approx(float(late.pressure) * volume, rel=1e-4)


def test_protocols_are_data():
    path = cycle(0.51, 0.56, 30, 10, 30, 100)
    assert path == [*hold(0.51, 30), *ramp(0.51, 0.56, 10), *hold(0.56, 30), *ramp(0.56, 0.51, 10), *hold(0.51, 100)]
    assert duration_of(path) == 180
    np.testing.assert_allclose(temperature_at(path, [0, 30, 35, 40, 55, 75, 80, 500]), [0.51, 0.51, 0.535, 0.56, 0.56, 0.535, 0.51, 0.51])
    np.testing.assert_allclose(temperature_at(quench(1.0, 0.3, 20, 200), [20, 20.001, 220]), [1.0, 0.3, 0.3])
    assert protocols.in_words(path)[1] == ["30", "40", "0.51 to 0.56"]
    assert in_steps(path, 0.005)[:2] == ((6000, 0.51, 0.51), (8000, 0.51, 0.56))
    assert in_steps(0.6, 0.005) == ()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (dict(temperature=[]), "list of segments"),
        (dict(temperature=[0.5, 0.6]), "list of segments"),
        (dict(temperature=hold(0.5, 0.013)), "no whole number of steps"),
        (dict(temperature=hold(0.5, 1) + hold(0.5, 1e-4)), "segment 1"),
        (dict(temperature=hold(0.5, 1), thermostat=None), "no bath"),
        (dict(temperature=None, thermostat="langevin"), "thermostat='langevin' needs temperature="),
        (dict(temperature=1.0, thermostat="langevin", thermostat_time=1e-6), "velocities would be forgotten within a step"),
        (dict(temperature=hold(0.5, 1e4) + hold(0.4, 0.0123)), "segment 1 of the protocol lasts 0.0123"),
    ],
)
def test_bad_protocols_are_named_errors(liquid, given, what):
    with pytest.raises(gg.errors.InvalidInput, match=what):
        gg.simulate.md(*liquid, **{"times": [0.5], **given}, **QUIET)


def test_what_cannot_be_a_segment():
    for wrong in ((0, 1, 1), (1, -1, 1), (1, 1, 0), (1, float("nan"), 1), ("a", 1, 1)):
        with pytest.raises(gg.errors.InvalidInput, match="of a segment"):
            Segment(*wrong)
    spheres = gg.systems.hard_spheres(n=200, packing_fraction=0.4)
    with pytest.raises(gg.errors.InvalidInput, match="only scales the time of hard spheres"):
        gg.simulate.protocol(spheres, None, hold(1.0, 1.0))
    for wrong in (0.5, Segment(1, 1, 1), [0.5, 0.6], [], "hold"):
        with pytest.raises(gg.errors.InvalidInput, match="a protocol is a list of segments"):
            gg.simulate.protocol(gg.systems.kob_andersen(n=500), None, wrong)
    for name in ("temperature", "duration"):
        with pytest.raises(gg.errors.InvalidInput, match=f"{name}= is what segments= say"):
            gg.simulate.protocol(gg.systems.kob_andersen(n=500), None, hold(1.0, 1.0), **{name: 1.0})
    liquid = gg.systems.kob_andersen(n=500)
    with pytest.raises(gg.errors.InvalidInput, match="no bath"):
        gg.isoconfigurational(
            liquid, liquid.random_snapshot(1), temperature=hold(1.0, 1.0), thermostat=None, times=[1.0], replicas=2, seed=1, **QUIET
        )
    for call in (
        lambda: gg.isoconfigurational(liquid, liquid.random_snapshot(1), temperature=None, times=[1.0], replicas=2, seed=1, **QUIET),
        lambda: gg.simulate.mc(liquid, liquid.random_snapshot(1), temperature=None, duration=1, **QUIET),
    ):
        with pytest.raises(gg.errors.InvalidInput, match="temperature=None is not a number"):
            call()
    with pytest.raises(gg.errors.InvalidInput, match="not a number"):
        gg.isoconfigurational(spheres, spheres.random_snapshot(1), temperature=hold(1.0, 1.0), times=[1.0], replicas=2, seed=1, **QUIET)
