"""Monte Carlo: against a slow Metropolis chain, bit identities, labels, swaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from references import metropolis

import glassgpu as gg
from glassgpu import compile as compiling
from glassgpu.engines import mc as engine
from glassgpu.engines.plan import replica_keys
from glassgpu.engines.runs import Run
from glassgpu.launch import Cpu

QUIET = {"backend": "cpu", "progress": False}


@pytest.fixture(scope="module")
def few():
    """Small systems with a start each: the film, and a three-dimensional mixture with cut-offs of every kind."""
    made = {
        "film": gg.systems.ternary_2d(n=60),
        "smooth": gg.systems.kob_andersen(n=160, density=1.0, law="smooth"),
        "sigma_AA": gg.systems.kob_andersen(n=140, density=0.9),
    }
    return {n: (s, gg.equilibrate(s, 1.0, 60, seed=3, dynamics="swap_mc", accept=None, **QUIET)) for n, s in made.items()}


@pytest.mark.parametrize("exchange", [None, 0.3, 1.0])
@pytest.mark.parametrize(("name", "precision"), [("film", "double"), ("film", "single"), ("smooth", "double"), ("sigma_AA", "single")])
def test_equals_a_slow_chain(few, name, exchange, precision):
    """Every trial of ten sweeps decided alike, with list rebuilds on the way."""
    system, start = few[name]
    plan = engine.McPlan(
        temperature=0.8, steps=10, samples=tuple(range(1, 11)), replicas=1, seed=4, precision=precision, skin=0.2, step_size=0.14,
        exchange=exchange, keep_positions=True, keep_final=True,
    )  # fmt: skip
    run = engine.McRun(system, [start], plan, Cpu(1), progress=False).run()
    found, order = run.results(), run.problem.order[0]
    slow = metropolis(system, start, order, 0.8, 0.14, exchange, int(replica_keys(4, np.array([0]), 1)[0]), 10)
    assert exchange == 1.0 or run.rebuilds > 0
    tolerance = {"double": 1e-10, "single": 1e-6}[precision]
    for k, (x, types, _) in enumerate(slow):
        np.testing.assert_allclose(found["positions"][0, k], x, atol=tolerance)
        if exchange:
            assert np.array_equal(found["species"][0, k], types)
    counts = slow[-1][2]
    assert found["displacements"][0].tolist() == counts["displacements"]
    if exchange:
        assert np.array_equal(found["exchanges"][0], counts["exchanges"])
        assert np.array_equal(found["types"][0], slow[-1][1])
    final = gg.Snapshot(found["places"][0], found["types"][0], start.box)
    assert found["log"][0, -1, 0] == pytest.approx(
        gg.energy(system, final, precision="double", backend="cpu").potential, abs=1e-5 * start.n
    )


@pytest.mark.parametrize("exchange", [None, 0.3])
@pytest.mark.parametrize("name", ["film", "sigma_AA"])
def test_no_list_is_kept_too_long(few, name, exchange):
    """Thin lists, rebuilt all the time, decide every trial of 400 sweeps as lists that reach far beyond what is needed."""
    system, start = few[name]
    ends, built = [], []
    for skin in (0.12, 0.3):
        plan = engine.McPlan(
            temperature=1.5,
            steps=400,
            samples=(),
            replicas=2,
            seed=4,
            precision="double",
            skin=skin,
            exchange=exchange,
            labels=False,
            keep_final=True,
        )
        run = engine.McRun(system, [start], plan, Cpu(2), progress=False).run()
        ends.append(run.results())
        built.append(run.rebuilds)
    assert built[0] > 3 * built[1]
    np.testing.assert_allclose(ends[0]["places"], ends[1]["places"], atol=1e-8)
    assert all(np.array_equal(ends[0][n], ends[1][n]) for n in ("displacements", "exchanges", "types"))


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("name", ["film", "sigma_AA"])
def test_lists_hold_for_any_trial(few, name, precision):
    """No particle is ever further from its reference than lists allow: half of the skin less the longest move."""
    system, start = few[name]
    skin, step = 0.4, 0.12
    allowed = 0.5 * (skin - 0.5 * step * system.dimension**0.5)
    plan = engine.McPlan(
        temperature=1.5, steps=200, samples=(), replicas=1, seed=4, precision=precision, skin=skin, step_size=step, labels=False
    )
    run = engine.McRun(system, [start], plan, Cpu(1), progress=False)
    run._start_batch()
    furthest = []
    for _ in range(100):
        run._run_chunk(1)
        place, reference = run.state["place"], run.state["reference"]
        if precision == "single":  # units of L / 2^32
            moved = ((place - reference + 2**31) % 2**32 - 2**31) * (start.box[0] / 2**32)
        else:
            moved = place - reference
        furthest.append(np.sqrt((moved**2).sum(axis=1)).max())
    assert 0.9 * allowed < max(furthest) <= allowed * (1 + 1e-6)


def ensemble(system, starts, exchange=None, target=None, checkpoint=None, precision="single", **how):
    plan = engine.McPlan(
        temperature=0.6, steps=40, samples=(3, 20, 40), replicas=5, seed=9, keep_final=True, precision=precision, skin=0.3, exchange=exchange,
        bond_breaking=True, cage_relative=True, observe=gg.dynamics.Observe(wavenumber=6.3, bins=20), mean_displacements=True,
    )  # fmt: skip
    return engine.McRun(system, starts, plan, target or Cpu(1), progress=False, checkpoint=checkpoint, **how).run().results()


def identical(a, b):
    assert {"log", "sums", "bonds", "observable", "places", "displacements"} <= a.keys() == b.keys()
    return all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("exchange", [None, 0.3])
@pytest.mark.parametrize(("which", "precision"), [("film", "single"), ("film", "double"), ("liquid", "single")])
def test_no_bit_depends_on_how_the_work_is_cut(which, precision, exchange, request):
    system, start = request.getfixturevalue(which)
    starts = [start, gg.simulate.mc(system, start, temperature=0.7, duration=20, **QUIET).final]
    plain = ensemble(system, starts, exchange, precision=precision)
    assert plain["sums"].any() and plain["bonds"].any()
    assert (exchange is None) != plain["exchanges"].any()
    ways = {
        "batch": {"batch": 3},
        "chunk": {"chunk": 7},
        "threads": {"target": Cpu(4)},
        "all at once": {"batch": 2, "chunk": 11, "target": Cpu(3)},
        "short lists": {"capacity": 40},
        "shuffled": {"target": Cpu(2, shuffled=True)},
    }
    for name, way in ways.items():
        assert identical(plain, ensemble(system, starts, exchange, precision=precision, **way)), name


@pytest.mark.parametrize("exchange", [None, 0.3])
@pytest.mark.parametrize("stop_after", [1, 4, 9])
def test_interrupted_and_resumed(film, tmp_path, stop_after, exchange, monkeypatch):
    system, start = film
    plain = ensemble(system, [start], exchange, batch=2, chunk=13)
    path, chunks = tmp_path / "run.npz", []
    original = Run._run_chunk

    def stopping(self, steps):
        if len(chunks) == stop_after:
            raise KeyboardInterrupt
        chunks.append(steps)
        original(self, steps)

    monkeypatch.setattr(Run, "_run_chunk", stopping)
    with pytest.raises(gg.errors.Interrupted, match="stopped at sweep"):
        ensemble(system, [start], exchange, batch=2, chunk=13, checkpoint=path)
    monkeypatch.setattr(Run, "_run_chunk", original)
    assert identical(plain, ensemble(system, [start], exchange, batch=4, chunk=5, checkpoint=path))


def test_far_from_home_nothing_changes(film, monkeypatch):
    """A run that has wandered over a million boxes goes on as one at home: no error accumulates in single precision."""
    system, start = film
    plain = ensemble(system, [start])
    original = engine.McRun.first_state
    shift = np.array([10**6, -(10**6)])[None, :, None] << 32
    monkeypatch.setattr(engine.McRun, "first_state", lambda self, c: {**original(self, c), "place": original(self, c)["place"] + shift})
    monkeypatch.setattr(
        engine.McRun,
        "final_of",
        lambda self, state, c: {"places": self.problem.lengths(state["place"] - shift, c), "types": state["species"]},
    )
    far = engine.McRun(
        system, [start], engine.McPlan(temperature=0.6, steps=40, samples=(), replicas=5, seed=9, keep_final=True, skin=0.3, labels=False),
        Cpu(1), progress=False,
    ).run()  # fmt: skip
    assert np.array_equal(far.final["places"], plain["places"])


@pytest.mark.parametrize("dynamics", ["mc", "md"])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("which", ["liquid", "film"])
def test_labels_equal_those_from_stored_positions(which, relative, dynamics, request):
    system, start = request.getfixturevalue(which)
    times = [4, 60] if dynamics == "mc" else [0.05, 0.5]
    observe = gg.dynamics.Observe(wavenumber=system.wavenumber, bins=40, bin_width=0.05)
    common = dict(temperature=0.8, times=times, replicas=6, seed=4, observe=observe, cage_relative=relative, **QUIET)
    labels = gg.isoconfigurational(system, start, dynamics=dynamics, labels=("bond_breaking", "mean_displacement"), **common)
    stored = getattr(gg.simulate, dynamics)(system, start, keep_positions=True, **common)
    plain = gg.dynamics.displacements(start.positions, stored.positions)
    moved = gg.dynamics.cage_relative(system, start, plain) if relative else plain
    distance = np.linalg.norm(moved, axis=-1)
    np.testing.assert_allclose(labels.propensity.values, distance.mean(axis=0), atol=1e-8)
    np.testing.assert_allclose(labels.standard_error.values, distance.std(axis=0, ddof=1) / np.sqrt(6), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(labels.mean_displacement.values, plain.mean(axis=0), atol=1e-8)
    whole = gg.dynamics.bond_breaking(system, start, stored.positions)
    assert whole.min() < 1
    np.testing.assert_allclose(labels.bond_breaking.values, whole.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(labels.bond_breaking_error.values, whole.std(axis=0, ddof=1) / np.sqrt(6), atol=1e-7)
    assert labels.attrs["cage_relative"] == relative
    assert labels.attrs["time_unit"] == ("sweeps" if dynamics == "mc" else "sqrt(m sigma^2 / epsilon)")
    for found in (labels.observables, stored.observables):
        for s, name in enumerate(system.species):
            of = start.types == s
            for prefix, which_moved in (("", plain), ("cage_relative_", moved))[: 1 + relative]:
                f = gg.dynamics.self_intermediate_scattering(which_moved[:, :, of], system.wavenumber)
                q = gg.dynamics.overlap(which_moved[:, :, of])
                np.testing.assert_allclose(found[prefix + "self_intermediate_scattering"].sel(species=name).values[0], f, atol=1e-9)
                np.testing.assert_allclose(found[prefix + "overlap"].sel(species=name).values[0], q, atol=1e-12)
            edges = np.arange(40) * 0.05
            hove = gg.dynamics.van_hove(moved[:, :, of], edges).mean(axis=0)
            np.testing.assert_allclose(found.van_hove.sel(species=name).values[0, :, :39], hove, atol=1e-9)
    assert ("cage_relative_overlap" in labels.observables) == relative


def test_python_and_kernel_agree_on_the_batch():
    assert f"constexpr int BATCH = {engine.BATCH};" in compiling.sources()["trials.cuh"]


def test_in_two_dimensions_labels_are_cage_relative_unless_asked(film, liquid):
    for (system, start), relative in ((film, 1), (liquid, 0)):
        for dynamics in ("mc", "md"):
            run = gg.isoconfigurational(system, start, temperature=0.8, times=[1], replicas=2, seed=1, dynamics=dynamics, **QUIET)
            assert run.attrs["cage_relative"] == relative


def test_acceptance_of_exchanges_alone_is_nobodys(film):
    system, start = film
    run = gg.simulate.swap_mc(system, start, temperature=0.6, duration=2, swap_fraction=1.0, **QUIET)
    assert np.isnan(run.acceptance[0]) and run.exchanges[0, ..., 0].sum() > 0


def test_swaps_keep_composition_and_follow_species(film):
    system, start = film
    run = gg.simulate.swap_mc(system, start, temperature=0.6, times=[50, 100], replicas=2, seed=1, keep_positions=True, **QUIET)
    counts = np.bincount(start.types)
    assert run.types.shape == (2, 2, start.n)
    for r in range(2):
        assert all(np.array_equal(np.bincount(t), counts) for t in run.types[r])
        assert np.array_equal(run.final[r].types, run.types[r, -1])
        assert (run.final[r].types != start.types).any()
        assert run.potential[r, -1] == pytest.approx(float(gg.energy(system, run.final[r], backend="cpu").potential), rel=1e-5)
    tried, accepted = run.exchanges[..., 0], run.exchanges[..., 1]
    assert np.array_equal(tried, tried.swapaxes(1, 2)) and not tried[:, range(3), range(3)].any()
    share = counts / counts.sum()
    expected = 0.2 * 100 * start.n * 2 * np.outer(share, share)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(tried[:, a, b].mean() - expected[a, b]) < 5 * np.sqrt(expected[a, b])
    assert accepted[:, 0, 1].sum() > 0 and accepted[:, 1, 2].sum() > 0
    assert (accepted[:, 0, 2] < 1e-3 * tried[:, 0, 2]).all()  # project notes, section 1: only S-M and M-L are ever accepted
    assert not np.array_equal(run.final[0].types, run.final[1].types)


def test_acceptance_and_independence_of_company(film):
    system, start = film
    few, many = (
        gg.simulate.mc(system, start, temperature=0.6, times=[30], replicas=r, seed=4, keep_positions=True, **QUIET) for r in (2, 5)
    )
    assert np.array_equal(few.positions, many.positions[:2])
    assert not np.array_equal(many.positions[0], many.positions[1])
    assert ((many.acceptance > 0.55) & (many.acceptance < 0.7)).all()  # project notes, section 6: 0.60 at T = 0.5
    cold = gg.simulate.mc(system, start, temperature=1e-9, duration=20, **QUIET)
    assert cold.potential.size == 0 and cold.acceptance[0] < 0.5
    assert gg.energy(system, cold.final, backend="cpu").potential < gg.energy(system, start, backend="cpu").potential  # only downhill


def test_pressure_of_an_ideal_gas():
    """Without forces the pressure is density x T and every move is accepted."""
    system = replace(gg.systems.ternary_2d(n=100, density=0.01), epsilon=np.full((3, 3), 1e-12))
    start = system.random_snapshot(1)
    run = gg.simulate.mc(system, start, temperature=0.7, times=[5], **QUIET)
    assert run.acceptance[0] == 1.0
    assert run.pressure[0, 0] == pytest.approx(0.01 * 0.7, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 0.0}, "step=0.0: must be above 0"),
        ({"step": 1e-9}, "below the grid of single precision in a box of 17.12; give step=4e-06 or more"),
        ({"step": 2.0}, "a move may be 1.41 long, for which skin=0.75 is too thin; give skin=2.8"),
        ({"temperature": -1.0}, "temperature"),
        ({"times": [0.5]}, "Monte Carlo counts in sweeps; give ascending whole numbers"),
        ({"times": [100.6]}, "counts in sweeps"),
        ({"times": [3, 2]}, "ascending"),
        ({"duration": 0.2, "times": None}, "in sweeps,=0.2: give a whole number"),
        ({"skin": 0}, "skin=0: must be above 0"),
        ({"times": None}, "give duration= or times="),
        ({"swap_fraction": 0.0}, "swap_fraction=0.0: must be above 0"),
        ({"swap_fraction": 1.5}, "at most 1"),
        ({"observe": 6.3}, "give a glassgpu.dynamics.Observe"),
        ({"cage_relative": "yes"}, "choose one of None, True, False"),
        ({"precision": "half"}, "precision='half': choose"),
    ],
)
def test_bad_input(film, change, message):
    system, start = film
    simulate = gg.simulate.swap_mc if "swap_fraction" in change else gg.simulate.mc
    with pytest.raises(gg.errors.InvalidInput, match=message.replace("(", r"\(")):
        simulate(system, start, **{"temperature": 0.6, "times": [1], **QUIET, **change})


def test_bad_input_of_other_kinds(film, liquid):
    system, start = film
    one = gg.System("one", ("A",), (50,), 0.3, 2, np.eye(1), np.eye(1), 2.5 * np.eye(1), "shifted", 2 * np.eye(1), np.ones(1))
    with pytest.raises(gg.errors.InvalidInput, match="nothing to exchange; use mc"):
        gg.simulate.swap_mc(one, one.random_snapshot(1), temperature=1.0, duration=1, **QUIET)
    common = dict(temperature=0.6, times=[1], replicas=2, seed=1, **QUIET)
    with pytest.raises(gg.errors.InvalidInput, match="dt= does not belong to dynamics='mc'"):
        gg.isoconfigurational(system, start, dt=0.005, **common)
    with pytest.raises(gg.errors.InvalidInput, match="step= does not belong to dynamics='md'"):
        gg.isoconfigurational(*liquid, step=0.1, **common)
    for foreign in ({"thermostat": None}, {"thermostat": "nose_hoover"}, {"thermostat_time": 0.5}):
        with pytest.raises(gg.errors.InvalidInput, match=f"{next(iter(foreign))}= does not belong to dynamics='mc'"):
            gg.isoconfigurational(system, start, **foreign, **common)
    with pytest.raises(gg.errors.InvalidInput, match="skin=0: must be above 0"):
        gg.isoconfigurational(system, start, skin=0, **common)
    with pytest.raises(gg.errors.InvalidInput, match="call it"):
        gg.isoconfigurational(gg.systems.ternary_2d, start, dynamics="mc", **common)
    with pytest.raises(gg.errors.InvalidInput, match="configurations=5 beside 2 snapshots"):
        gg.equilibrate(system, 0.6, 10, 1, start=[start, start], configurations=5, **QUIET)
    smaller = np.where(np.arange(start.n) == np.argmax(start.types == 2), 0, start.types)  # one L is an S
    other = gg.Snapshot(start.positions, smaller, start.box)
    with pytest.raises(gg.errors.InvalidInput, match="same composition"):
        gg.simulate.mc(system, [start, other], temperature=0.6, times=[1], observe=gg.dynamics.Observe(wavenumber=6.3), **QUIET)
    with pytest.raises(gg.errors.InvalidInput, match="dynamics='brownian': choose"):
        gg.isoconfigurational(system, start, dynamics="brownian", **common)
    with pytest.raises(gg.errors.InvalidInput, match="dt= does not belong to dynamics='swap_mc'"):
        gg.equilibrate(system, 0.6, 10, 1, dt=0.005, **QUIET)
    twice = gg.Snapshot(np.concatenate([start.positions[:1], start.positions[:-1]]), start.types, start.box)
    with pytest.raises(gg.errors.ParticlesOverlap):
        gg.simulate.mc(system, twice, temperature=0.6, duration=1, **QUIET)
    small = gg.systems.ternary_2d(n=20)
    with pytest.raises(gg.errors.BoxTooSmall, match="take N >="):
        gg.simulate.mc(small, small.random_snapshot(1), temperature=0.6, duration=1, **QUIET)
    tight = gg.systems.ternary_2d(n=36)  # holds the law, but not the image of every neighbour during a move
    assert 2 * tight.cutoff.max() < tight.box[0] < 2 * tight.cutoff.max() + 0.12
    gg.energy(tight, tight.random_snapshot(1), backend="cpu")
    with pytest.raises(gg.errors.BoxTooSmall, match="half a step"):
        gg.simulate.mc(tight, tight.random_snapshot(1), temperature=0.6, duration=1, **QUIET)
    wide = replace(system, cutoff=1.2 * system.sigma, law="shifted")
    box = gg.Snapshot(start.positions[:9] * 0 + np.stack(np.divmod(np.arange(9), 3), axis=1) * 1.2, np.zeros(9, int), [3.6, 3.6])
    with pytest.raises(gg.errors.BoxTooSmall, match="bond_breaking"):
        gg.isoconfigurational(
            wide, box, temperature=0.6, times=[1], replicas=2, seed=1, labels=("bond_breaking",), cage_relative=False, **QUIET
        )


def test_bins_far_too_narrow_hold_everything_in_the_last(film):
    system, start = film
    observe = gg.dynamics.Observe(wavenumber=6.3, bins=10, bin_width=1e-11)
    run = gg.simulate.mc(system, start, temperature=0.6, times=[5], observe=observe, **QUIET)
    hove = run.observables.van_hove.values[0, 0]
    assert (hove[:, -1] > 0.9 * 1e11).all()  # all but those that no accepted move has touched
