"""Scores summed along a run: against plain sums over all pairs and against columns, however the work is cut."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.descriptors import Softness
from glassgpu.dynamics import Scores
from glassgpu.engines.md import MdPlan, MdRun
from glassgpu.landscape import groups_by_score, scores_along
from glassgpu.launch import Cpu
from glassgpu.models.hyperplane import Hyperplane

QUIET = {"backend": "cpu", "progress": False}


def wave(species, reach, entries, group):
    """A function that oscillates, another for each species."""
    r2 = np.arange(entries + 2) * reach**2 / entries
    table = np.stack([np.cos(3 * np.sqrt(r2) + s) * (1 + s) for s in range(len(species))])
    table[:, r2 < 0.04] = table[:, -2:] = 0
    return Scores(species, reach, table, -0.7, group)


def slow(score, snapshot):
    """S of every particle by loops over all pairs."""
    entries, out = score.table.shape[1] - 2, np.full(snapshot.n, score.constant)
    for i in range(snapshot.n):
        apart = snapshot.positions - snapshot.positions[i]
        apart -= snapshot.box * np.rint(apart / snapshot.box)
        r2 = (apart**2).sum(axis=1)
        for j in np.flatnonzero((r2 < score.reach**2) & (np.arange(snapshot.n) != i)):
            out[i] += np.interp(r2[j] / score.reach**2 * entries, np.arange(entries + 2), score.table[snapshot.types[j]])
    return out


@pytest.fixture(scope="module", params=["few cells", "many cells", "an even number", "film"])
def case(request):
    """Systems whose lists of 3 lengths and scores of some reach meet few or many cells, and a function of distance."""
    if request.param == "film":
        system, reach = gg.systems.ternary_2d(n=700), 6.0
    else:
        n, density, reach = {"few cells": (400, 1.2, 3.4), "many cells": (1500, 0.9, 1.7), "an even number": (900, 0.4, 4.5)}[request.param]
        system = gg.systems.kob_andersen(n=n, density=density, cutoff="per_pair")
    start = gg.equilibrate(system, 1.5, 0.5, seed=2, dynamics="md", accept=None, **QUIET)
    group = np.random.default_rng(1).integers(-1, 3, start.n)
    return system, start, wave(system.species, reach, 500, group)


def run_of(case, target=None, checkpoint=None, batch=None, chunk=None, score=True, precision="single", starts=1):
    system, start, wanted = case
    plan = MdPlan(
        temperature=1.5, steps=30, samples=(1, 7, 30), replicas=3, seed=5, dt=0.004, skin=0.2, labels=False, keep_positions=True,
        keep_final=True, precision=precision, score=wanted if score else None,
    )  # fmt: skip
    how = {"batch": batch, "chunk": chunk, "checkpoint": checkpoint}
    return MdRun(system, [start] * starts, plan, target or Cpu(1), progress=False, **how).run()


@pytest.mark.parametrize("precision", ["single", "double"])
def test_equals_sums_over_all_pairs(case, precision):
    _, start, wanted = case
    run = run_of(case, precision=precision)
    assert run.rebuilds > 0
    tolerance = {"single": 2e-4, "double": 1e-9}[precision]
    lists_by_species = run_of(case, Cpu(1, strict=True), precision=precision)  # as on a GPU
    for row, sample, of in ((0, 0, run), (2, 2, run), (1, 1, lists_by_species)):
        found = of.records.scores[row, sample]
        expected = slow(wanted, gg.Snapshot(of.records.positions[row, sample], start.types, start.box))
        for k in range(3):
            mine = expected[wanted.group[0] == k]
            np.testing.assert_allclose(found[k, 0], mine.sum(), atol=tolerance * len(mine))
            np.testing.assert_allclose(found[k, 1], (mine**2).sum(), atol=30 * tolerance * len(mine))


@pytest.mark.parametrize("precision", ["single", "double"])
def test_no_bit_depends_on_how_the_work_is_cut_and_the_run_on_none(case, precision, tmp_path):
    plain = run_of(case, precision=precision, starts=2).results()
    ways = [{"chunk": 4}, {"batch": 2}, {"target": Cpu(2)}, {"checkpoint": tmp_path / "c.npz", "chunk": 9}]
    for how in [*ways, {"target": Cpu(1, shuffled=True)}]:
        found = run_of(case, precision=precision, starts=2, **how).results()
        assert all(np.array_equal(plain[name], found[name]) for name in plain), how
    without = run_of(case, precision=precision, starts=2, score=False).results()
    assert all(np.array_equal(plain[name], without[name]) for name in without)
    strict = [run_of(case, Cpu(1, strict=True, shuffled=s), precision=precision).results()["scores"] for s in (False, True)]
    assert np.array_equal(*strict)


def test_a_snapshot_has_the_same_scores(case):
    _, start, wanted = case
    np.testing.assert_allclose(wanted.of(start), slow(wanted, start), atol=1e-9)


def test_places_and_names_do_not_matter(case):
    """Of the beginning of a run: moved by a part of a box, or with particles in another order, the same means."""
    system, start, wanted = case
    random = np.random.default_rng(4)
    order = random.permutation(start.n)
    moved = gg.Snapshot(start.positions + 0.37 * start.box, start.types, start.box, start.velocities)
    mixed = gg.Snapshot(start.positions[order], start.types[order], start.box, start.velocities[order])
    turned = Scores(wanted.species, wanted.reach, wanted.table, wanted.constant, wanted.group[0][order])
    found = [
        gg.simulate.md(system, s, thermostat=None, times=[0.004], dt=0.004, precision="double", score=w, **QUIET).scores
        for s, w in ((start, wanted), (moved, wanted), (mixed, turned))
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other["mean"], found[0]["mean"], atol=1e-9)
        np.testing.assert_allclose(other["deviation"], found[0]["deviation"], atol=1e-9)


@pytest.fixture(scope="module")
def soft():
    """A liquid, a hyperplane of its columns with weights of every sign, and groups by its scores."""
    system = gg.systems.kob_andersen(n=2000)
    starts = gg.equilibrate(system, 0.8, 1.0, seed=3, configurations=2, accept=None, **QUIET)
    describe = Softness(angular=False)
    x = describe(starts).values
    rows = x[np.stack([s.types for s in starts]) == 0]
    deviation = np.where(np.ptp(rows, axis=0) > 0, rows.std(axis=0), 1.0)
    weights = np.random.default_rng(0).normal(size=100)
    weights /= ((rows - rows.mean(axis=0)) / deviation @ weights).std()
    return system, starts, describe, Hyperplane(rows.mean(axis=0), deviation, weights, 0.3)


def test_equals_the_hyperplane_of_the_columns(soft):
    """Softness of deviation 1 to a thousandth, in every group, whose particles are told at the beginning."""
    system, starts, describe, plane = soft
    group = groups_by_score(plane, describe, starts, groups=5)
    first = plane.score(describe(starts).values)
    majority = np.stack([s.types for s in starts]) == 0
    assert np.array_equal(group >= 0, majority) and np.ptp(np.bincount(group[majority])) <= 1
    assert all(first[group == k].max() <= first[group == k + 1].min() for k in range(4))
    run = gg.simulate.md(
        system,
        starts,
        temperature=0.8,
        times=[0.005, 0.5],
        replicas=2,
        seed=1,
        score=scores_along(plane, describe, group),
        keep_positions=True,
        **QUIET,
    )
    for c, start in enumerate(starts):
        for t in range(2):
            later = plane.score(describe(gg.Snapshot(run.positions[c, 1, t], start.types, start.box)).values)
            for k in range(5):
                mine = later[group[c] == k]
                assert abs(float(run.scores["mean"][c, 1, t, k]) - mine.mean()) < 1e-3
                assert abs(float(run.scores["deviation"][c, 1, t, k]) - mine.std()) < 1e-3
    assert run.scores["count"].values.tolist() == [np.bincount(g[g >= 0]).tolist() for g in group]
    assert "scores" in repr(run)


def test_bad_input(soft):
    system, starts, describe, plane = soft
    group = groups_by_score(plane, describe, starts[0], groups=2)
    for wrong, what in (
        (lambda: scores_along(plane, Softness(), group), "only sums over neighbours"),
        (lambda: scores_along(plane, Softness(angular=False, radial=(0.0, 1.0, 5, 0.2)), group), "of the 10 columns"),
        (lambda: scores_along(plane, describe, group.astype(float)), "whole numbers"),
        (lambda: scores_along(plane, describe, np.where(group == 0, 3, group)), "one of them is empty"),
        (lambda: groups_by_score(plane, describe, starts[0], groups=2, species=7), "no such particle"),
        (lambda: groups_by_score(plane, describe, starts[0], groups=2000), "groups"),
        (lambda: Scores(("A", "B"), 2.0, np.ones((2, 9)), 0.0, group), "of which the first and the last two are 0"),
        (lambda: gg.simulate.md(system, starts[0], temperature=1.0, times=[1.0], score="softness", **QUIET), "dynamics.Scores"),
        (
            lambda: gg.simulate.md(system, starts[0], temperature=1.0, duration=1.0, score=scores_along(plane, describe, group), **QUIET),
            "give times",
        ),
        (
            lambda: gg.simulate.md(
                system, starts[0], temperature=1.0, times=[1.0], score=scores_along(plane, describe, group[:99]), **QUIET
            ),
            "group has shape",
        ),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=what):
            wrong()
    small = gg.systems.kob_andersen(n=500)
    with pytest.raises(gg.errors.BoxTooSmall, match="score="):
        gg.simulate.md(
            small, small.random_snapshot(1), temperature=1.0, times=[1.0], score=scores_along(plane, describe, group[:500]), **QUIET
        )
