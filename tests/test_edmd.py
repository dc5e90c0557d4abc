"""Hard spheres: against a search that foresees every pair anew, conservation, reversal, equation of state, bit identities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from references import contact_order, mixture_contacts

import glassgpu as gg
from glassgpu.engines import equilibrate
from glassgpu.engines.edmd import EdmdPlan, EdmdRun
from glassgpu.launch import Cpu
from glassgpu.systems.starts import closest_pair

QUIET = {"backend": "cpu", "progress": False}


@pytest.fixture(scope="module")
def few():
    """64 spheres at a packing fraction of 0.49, with velocities."""
    system = gg.systems.hard_spheres(n=64, packing_fraction=0.49)
    return system, gg.simulate.edmd(system, system.random_snapshot(2), temperature=1.0, duration=5, seed=1, **QUIET).final


@pytest.fixture(scope="module")
def dense():
    """500 spheres at a packing fraction of 0.52, with velocities."""
    system = gg.systems.hard_spheres(n=500, packing_fraction=0.52)
    return system, gg.simulate.edmd(system, system.random_snapshot(1), temperature=1.0, duration=10, seed=1, **QUIET).final


def event_run(system, start, duration, seen=0, skin=0.4, dt=0.01, cpu=None, **options):
    """A run that goes on with the velocities of its start; its collisions stand in ``history``."""
    steps = round(duration / dt)
    plan = EdmdPlan(
        temperature=1.0, steps=steps, samples=(steps,), replicas=1, seed=0, precision="double", skin=skin, labels=False, keep_positions=True,
        keep_final=True, dt=dt, draw_velocities=False, seen=seen,
    )  # fmt: skip
    return EdmdRun(system, [start], plan, cpu or Cpu(1), progress=False, chunk=steps, **options)


def collisions(run):
    """Times and partners, numbered as in the snapshot, of the collisions that a run wrote down."""
    seen = run.history[0][0]
    seen = seen[seen[:, 0] > 0]
    return seen[:, 0], [tuple(sorted(run.problem.order[0][line[1:].astype(int)].tolist())) for line in seen]


def radii(system, snapshot):
    return np.diag(system.sigma)[snapshot.types] / 2


def ended(run, start):
    return gg.Snapshot(run.final["places"][0], start.types, start.box, run.final["velocities"][0])


# ---------------------------------------------------------------- item 1


def test_equals_a_search_that_foresees_every_pair_anew(few):
    system, start = few
    run = event_run(system, start, 0.5, seen=300).run()
    times, partners = collisions(run)
    order, when = contact_order(start, radii(system, start), 300)
    assert partners == order
    np.testing.assert_allclose(times, when, atol=1e-9, rtol=0)


def test_equals_the_search_from_states_along_a_run_of_a_million_events(few):
    """From each of 100 states, 10 000 events apart; lists that are rebuilt often."""
    system, here = few
    counted = 0
    for k in range(100):
        run = event_run(system, here, 9.0, seen=50, skin=(0.1, 0.4)[k % 2]).run()
        times, partners = collisions(run)
        order, when = contact_order(here, radii(system, here), 50)
        assert partners == order, k
        np.testing.assert_allclose(times, when, atol=1e-9, rtol=0)
        counted += int(run.counts["meetings"].sum())
        here = ended(run, here)
    assert counted > 1_000_000


@pytest.mark.parametrize("n", [64, 1300])
def test_the_queue_equals_a_scan_of_all_predictions(few, n):
    """Which event is first is found by a tree, of one level or of three, or by looking at all: the same events, bit for bit."""
    system, start = few
    if n > 64:
        system = gg.systems.hard_spheres(n=n, packing_fraction=0.49)
        start = gg.simulate.edmd(system, system.random_snapshot(2), temperature=1.0, duration=0.1, seed=1, **QUIET).final
    runs = []
    for constants in ({}, {"LINEAR_SCAN": 1}):
        run = event_run(system, start, round(600 / n, 2), seen=10_000)
        run.problem.constants |= constants
        runs.append(run.run())
    assert runs[0].counts["meetings"].sum() > 10_000
    assert np.array_equal(runs[0].history[0], runs[1].history[0])
    for name, values in runs[0].final.items():
        assert np.array_equal(values, runs[1].final[name])


def test_energy_and_momentum_are_conserved_and_nothing_overlaps(dense):
    system, start = dense
    run = gg.simulate.edmd(system, start, temperature=1.0, times=np.arange(2, 41, 2.0), keep_positions=True, seed=5, **QUIET)
    assert run.collisions[0] > 4e5
    assert np.ptp(run.conserved[0]) < 1e-12 * run.conserved[0, 0]
    momentum = run.final.velocities.sum(axis=0)
    assert np.abs(momentum).max() < 1e-11
    for x in run.positions[0]:
        pair = closest_pair(system, gg.Snapshot(x, start.types, start.box), 1 - 1e-9)
        assert pair is None


def test_what_single_precision_overlaps_parts(dense):
    """Pushed together until the nearest pair overlaps by 5e-6 of a diameter; soon nobody overlaps any more, and energy is kept."""
    system, start = dense
    shrunk = (1 - 5e-6) / closest_pair(system, start, 1.1)[2]
    rounded = gg.Snapshot(start.positions * shrunk, start.types, start.box * shrunk, start.velocities)
    assert closest_pair(system, rounded, 1 - 4e-6) is not None
    run = gg.simulate.edmd(system, rounded, times=[5.0], seed=1, **QUIET)
    assert closest_pair(system, run.final, 1 - 1e-9) is None
    assert run.kinetic[0, 0] == pytest.approx(0.5 * (start.velocities**2).sum(), rel=1e-12)


def test_in_a_small_box_the_image_that_was_listed_is_the_one_that_is_met():
    """Four spheres on a line: a pair whose other image comes nearer before the lists are made anew."""
    system = gg.systems.hard_spheres(n=4, packing_fraction=4 * np.pi / 6 / 512, large=1.0)
    x, v = np.zeros((4, 3)), np.zeros((4, 3))
    x[:, 0], v[:, 0] = [0, 3.7, -1.6, 5.3], [-1, 1, 1, -1]
    start = gg.Snapshot(x, np.zeros(4, int), system.box, v)
    run = gg.simulate.edmd(system, start, times=np.arange(0.1, 3.01, 0.1), keep_positions=True, **QUIET)
    for positions in run.positions[0]:
        assert closest_pair(system, gg.Snapshot(positions, start.types, start.box), 1 - 1e-9) is None


def test_a_drift_of_all_presses_on_nobody(dense):
    """Velocities with a common part: the same pressure and contact values."""
    system, start = dense
    drifting = replace(start, velocities=start.velocities + np.array([3.0, 0.0, 0.0]))
    still, moving = (gg.simulate.edmd(system, s, times=[0.3], **QUIET) for s in (start, drifting))
    assert moving.pressure[0, 0] == pytest.approx(still.pressure[0, 0], rel=0.05)
    np.testing.assert_allclose(moving.contact_values, still.contact_values, rtol=0.05)
    assert moving.kinetic[0, 0] > 2 * still.kinetic[0, 0]


def test_turned_round_it_goes_back(few):
    """After 200 collisions every velocity is reversed: as many later all stand where they began."""
    system, start = few
    times, _ = collisions(event_run(system, start, 1.0, seen=201).run())
    middle = (times[199] + times[200]) / 2
    there = ended(event_run(system, start, middle, dt=middle).run(), start)
    turned = replace(there, velocities=-there.velocities)
    back = ended(event_run(system, turned, middle, dt=middle).run(), start)
    apart = back.positions - start.positions
    assert np.abs(apart - start.box * np.rint(apart / start.box)).max() < 1e-6
    np.testing.assert_allclose(back.velocities, -start.velocities, atol=1e-5)


def test_collisions_of_unequal_masses():
    """Two spheres meet head on: velocities after it from the conservation laws."""
    system = replace(gg.systems.hard_spheres(n=2, packing_fraction=0.01, large=0.5), mass=np.array([3.0, 1.0]))
    box = np.full(3, 10.0)
    start = gg.Snapshot(np.array([[-1.0, 0, 0], [1.0, 0, 0]]), np.array([0, 1]), box, np.array([[1.0, 0, 0], [-1.0, 0, 0]]))
    run = event_run(system, start, 1.0, seen=2).run()
    times, partners = collisions(run)
    assert times.tolist() == [pytest.approx((2 - 0.925) / 2, abs=1e-14)]
    assert partners == [(0, 1)]
    np.testing.assert_allclose(run.final["velocities"][0], [[0, 0, 0], [2, 0, 0]], atol=1e-14)
    assert run.records.log[0, 0, 2] == pytest.approx(3 * 0.925, abs=1e-12)  # r . dp


# ---------------------------------------------------------------- item 2 (long forms: test_hard_sphere_liquid.py)


def test_pressure_is_that_of_the_mixture_equation():
    system = gg.systems.hard_spheres(n=500, packing_fraction=0.4)
    run = gg.simulate.edmd(system, system.random_snapshot(3), temperature=1.0, times=[20, 120], seed=1, **QUIET)
    share = np.array(system.counts) / system.n
    _, expected = mixture_contacts(0.4, np.diag(system.sigma), share)
    thermal = 2 * run.kinetic[0, 1] / (3 * (system.n - 1))
    assert run.pressure[0, 1] / (system.density * thermal) == pytest.approx(expected, rel=0.01)


def test_contact_values_and_pressure_tell_the_same():
    """One counts collisions, the other adds what they exchange; the theory of mixtures has both."""
    system = gg.systems.hard_spheres(n=500, packing_fraction=0.35)
    run = gg.simulate.edmd(system, system.random_snapshot(3), temperature=2.0, times=[200], replicas=2, seed=1, **QUIET)
    share = np.array(system.counts) / system.n
    sums = (np.outer(share, share) * system.sigma**3 * run.contact_values.mean(axis=0)).sum()
    thermal = 2 * run.kinetic.mean() / (3 * (system.n - 1))
    assert run.pressure.mean() / (system.density * thermal) == pytest.approx(1 + 2 * np.pi / 3 * system.density * sums, rel=0.005)
    theory = gg.dynamics.mixture_theory(system)
    np.testing.assert_allclose(run.contact_values.mean(axis=0), theory.contact, rtol=0.02)
    expected = mixture_contacts(0.35, np.diag(system.sigma), share)
    np.testing.assert_allclose(theory.contact, expected[0], rtol=1e-12)
    assert theory.compressibility == pytest.approx(expected[1], rel=1e-12)


def test_a_thin_gas_is_nearly_ideal():
    """At a packing fraction of 1e-4 the pressure is 1 + 4 phi of the ideal gas, to what 400 collisions tell; speeds are Maxwell's."""
    system = gg.systems.hard_spheres(n=400, packing_fraction=1e-4, large=1.0)
    run = gg.simulate.edmd(system, system.random_snapshot(1), temperature=2.0, times=[1000.0], seed=1, **QUIET)
    thermal = 2 * run.kinetic[0, 0] / (3 * (system.n - 1))
    assert run.pressure[0, 0] / (system.density * thermal) == pytest.approx(1 + 4e-4 - 1 / system.n, abs=1e-4)
    speeds = np.linalg.norm(run.final.velocities, axis=1)
    assert speeds.mean() == pytest.approx(np.sqrt(8 * 2 / np.pi), rel=0.06)


def test_contact_values_of_an_ideal_gas_are_one():
    """Points that meet as often as if nothing stood in their way; one particle of a kind meets none of its kind."""
    system = gg.systems.hard_spheres(n=101, packing_fraction=0.001, large=1 / 101)
    volume, t = float(system.box.prod()), 3.0
    pairs = np.array([[0, 100], [0, 4950]])
    rate = pairs * system.sigma**2 * np.sqrt(16 * np.pi * t) / volume  # reduced mass 1/2
    found = gg.dynamics.contact_values(system, np.array([1, 100]), volume, rate * 7.0, 7.0, t)
    assert np.isnan(found[0, 0])
    np.testing.assert_allclose([found[0, 1], found[1, 0], found[1, 1]], 1, rtol=1e-12)


# ---------------------------------------------------------------- item 3


def test_growth_ends_without_overlap_at_the_packing_asked_for():
    system = gg.systems.hard_spheres(n=400, packing_fraction=0.58)
    start = system.random_snapshot(4)
    assert closest_pair(system, start, 1.0) is None
    filled = np.pi / 6 * (np.diag(system.sigma)[start.types] ** 3).sum() / start.box.prod()
    assert filled == pytest.approx(0.58, abs=1e-12)
    assert np.bincount(start.types).tolist() == list(system.counts)
    assert gg.structure.largest_crystalline_cluster(start) < 0.02
    again = system.random_snapshot(4)
    assert np.array_equal(start.positions, again.positions)


def test_no_cut_of_the_work_changes_a_bit(dense, tmp_path):
    system, start = dense
    starts = [start, system.random_snapshot(9)]
    how = {"temperature": 1.0, "times": [0.05, 0.5, 1.2], "replicas": 3, "seed": 8, "keep_positions": True, **QUIET}
    whole = gg.simulate.edmd(system, starts, **how)
    for cut in ({"batch": 1}, {"threads": 1}, {"chunk": 7}, {"batch": 4, "chunk": 50}):
        other = gg.simulate.edmd(system, starts, **how, **cut)
        assert np.array_equal(whole.positions, other.positions), cut
        assert np.array_equal(whole.pressure, other.pressure)
        assert np.array_equal(whole.collisions, other.collisions)
        assert np.array_equal(whole.final[1][2].velocities, other.final[1][2].velocities)


def test_an_interruption_changes_nothing(dense, tmp_path, monkeypatch):
    system, start = dense
    how = {"temperature": 1.0, "times": [0.05, 0.5, 1.2], "replicas": 2, "seed": 8, "keep_positions": True, "chunk": 10, **QUIET}
    whole = gg.simulate.edmd(system, start, **how)
    calls, original = [0], EdmdRun._run_chunk

    def stopped(self, steps):
        calls[0] += 1
        if calls[0] == 6:
            raise KeyboardInterrupt
        original(self, steps)

    monkeypatch.setattr(EdmdRun, "_run_chunk", stopped)
    with pytest.raises(gg.errors.Interrupted, match="continues from"):
        gg.simulate.edmd(system, start, checkpoint=tmp_path / "run", **how)
    monkeypatch.setattr(EdmdRun, "_run_chunk", original)
    rest = gg.simulate.edmd(system, start, checkpoint=tmp_path / "run", **how)
    assert np.array_equal(whole.positions, rest.positions)
    assert np.array_equal(whole.collisions, rest.collisions)


def test_shuffled_phases_give_the_same_bits(dense):
    system, start = dense
    a, b = (event_run(system, start, 1.0, seen=2000, cpu=Cpu(1, shuffled=shuffled)).run() for shuffled in (False, True))
    assert np.array_equal(a.history[0], b.history[0])
    assert np.array_equal(a.final["places"], b.final["places"])


def test_a_strict_build_foresees_the_same_events(dense):
    """One lane, nothing fused: the same collisions until roundings have grown."""
    system, start = dense
    a, b = (event_run(system, start, 0.2, seen=500, cpu=Cpu(1, strict=strict)).run() for strict in (False, True))
    (times, partners), (strict_times, strict_partners) = collisions(a), collisions(b)
    assert partners == strict_partners
    np.testing.assert_allclose(times, strict_times, atol=1e-10, rtol=0)


def test_a_repeated_chunk_writes_its_collisions_once(few):
    """Lists that were too short at first: the same history, of one chunk."""
    system, start = few
    plain, grown = (event_run(system, start, 0.3, seen=100, **more).run() for more in ({}, {"capacity": 40}))
    assert grown.problem.capacity > 40
    assert list(grown.history) == [0]
    assert np.array_equal(plain.history[0], grown.history[0])


def test_skin_and_samples_leave_no_trace_in_the_physics(few):
    """Other lists, other times of looking: the same collisions."""
    system, start = few
    reference = collisions(event_run(system, start, 0.5, seen=300).run())
    for other in ({"skin": 0.08}, {"skin": 0.25}, {"dt": 0.1}):
        times, partners = collisions(event_run(system, start, 0.5, seen=300, **other).run())
        assert partners == reference[1]
        np.testing.assert_allclose(times, reference[0], atol=1e-9, rtol=0)


@pytest.mark.parametrize("change", ["shift", "image", "permute", "rotate"])
def test_invariance(few, change):
    system, start = few
    x, v, types = start.positions, start.velocities, start.types
    order = np.arange(64)
    if change == "shift":
        x = x + np.array([0.3, -1.1, 2.0])
    elif change == "image":
        x = x + start.box * np.array([2, -1, 0])
    elif change == "permute":
        order = np.random.default_rng(1).permutation(64)
    else:
        x, v = x[:, [1, 2, 0]], v[:, [1, 2, 0]]
    times, partners = collisions(event_run(system, start, 0.4, seen=200).run())
    moved = gg.Snapshot(x[order], types[order], start.box, v[order])
    other_times, other_partners = collisions(event_run(system, moved, 0.4, seen=200).run())
    assert [tuple(sorted(order[list(p)].tolist())) for p in other_partners] == partners
    np.testing.assert_allclose(other_times, times, atol=1e-9, rtol=0)


# ---------------------------------------------------------------- item 4


def test_the_ballistic_propensity_has_its_closed_form():
    """Before anyone collides <|dr|> = t sqrt(8 T / (pi m)), less what the centre of mass takes."""
    system = gg.systems.hard_spheres(n=300, packing_fraction=0.3)
    runs = gg.isoconfigurational(system, system.random_snapshot(1), temperature=1.0, times=[1e-4], dt=1e-4, replicas=400, seed=3, **QUIET)
    expected = 1e-4 * np.sqrt(8 / np.pi * (1 - 1 / 300))
    assert float(runs.propensity.mean()) == pytest.approx(expected, rel=3 * 0.422 / np.sqrt(300 * 400) + 2e-3)
    assert runs.attrs["dynamics"] == "edmd"


@pytest.mark.parametrize(("packing", "expected"), [(0.50, 44)])
def test_collision_rate(packing, expected):
    system = gg.systems.hard_spheres(n=500, packing_fraction=packing)
    run = gg.simulate.edmd(system, system.random_snapshot(1), temperature=1.0, duration=40, seed=1, **QUIET)
    assert 2 * run.collisions[0] / (500 * 40) == pytest.approx(expected, rel=0.05)


def test_labels_equal_those_of_kept_positions(dense):
    """Propensity, hops and observables of an ensemble against the displacements of the same runs."""
    system, start = dense
    times = [0.1, 1.0, 12.0]
    how = {"temperature": 1.0, "times": times, "replicas": 4, "seed": 3, **QUIET}
    runs = gg.isoconfigurational(
        system, start, observe=gg.dynamics.Observe(wavenumber=7.8), labels=("propensity", "rearrangement", "bond_breaking"), **how
    )
    kept = gg.simulate.edmd(system, start, keep_positions=True, **how)
    moved = kept.positions - start.positions
    moved -= moved.mean(axis=2, keepdims=True)
    far = np.linalg.norm(moved, axis=-1)
    np.testing.assert_allclose(runs.propensity.values, far.mean(axis=0), atol=1e-8)
    large = start.types == 0
    k = 7.8 * far[:, :, large]
    np.testing.assert_allclose(runs.observables["self_intermediate_scattering"].values[0, :, :, 0], (np.sin(k) / k).mean(axis=2), atol=1e-9)
    assert 0 < float(runs.bond_breaking.mean()) < 1


def test_the_paper_s_shells_describe_this_system():
    """354 columns a generation, of which the shells of each species count that species; a model per species takes them."""
    system = gg.systems.hard_spheres(n=1700, packing_fraction=0.52)
    liquid = gg.simulate.edmd(system, system.random_snapshot(1), temperature=1.0, duration=10, seed=1, **QUIET).final
    x = gg.descriptors.ShellExpansion(species=system.species, generations=2, backend="cpu")(liquid)
    assert x.shape == (1700, 708)
    columns = gg.descriptors.ShellExpansion(species=system.species).columns
    assert ["L" in c for c in columns[:162]] == [True] * 81 + [False] * 81
    first = gg.structure.neighbors(liquid, 1.05).count.mean()  # who nearly touches; nobody nearer than 0.85
    assert 2 < first < 12
    runs = gg.isoconfigurational(system, liquid, temperature=1.0, times=[10], replicas=24, seed=2, **QUIET)
    p = runs.propensity.sel(time=10).values
    for species in (0, 1):
        mine = np.flatnonzero(liquid.types == species)
        train, test = mine[::2], mine[1::2]
        model = gg.models.Ridge(alpha=1.0).fit(x.values[train], p[train])
        assert gg.evaluate.pearson(p[test], model.predict(x.values[test])) > 0.1


def test_equilibrate_accepts_a_liquid_of_spheres(monkeypatch):
    """In few windows: the temperature of drawn velocities scatters, the pressure at one temperature does not."""
    windows = []
    original = equilibrate._Run.window
    monkeypatch.setattr(equilibrate._Run, "window", lambda self, *given, **more: (windows.append(1), original(self, *given, **more)))
    for seed in range(6):
        gg.equilibrate(gg.systems.hard_spheres(n=200, packing_fraction=0.45), temperature=1.0, duration=100, seed=seed, **QUIET)
    assert len(windows) <= 24
    system = gg.systems.hard_spheres(n=500, packing_fraction=0.45)
    liquid = gg.equilibrate(system, temperature=1.0, duration=40, seed=3, **QUIET)
    assert closest_pair(system, liquid, 1 - 1e-9) is None
    assert liquid.velocities is not None
