"""Quenches for which memory does not suffice, or that are stopped meanwhile (glassgpu/engines/quench_run.py)."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.engines.problem import Problem
from glassgpu.engines.quench_run import QuenchRun
from glassgpu.errors import OutOfMemory, SmallerBatch


@pytest.fixture(scope="module")
def liquids():
    system = gg.systems.kob_andersen(n=300)
    return system, gg.equilibrate(system, temperature=1.2, duration=1, seed=1, configurations=2, accept=None, progress=False)


def test_quenches_keep_what_was_done_when_a_batch_ends(liquids, monkeypatch, tmp_path):
    """Memory may end between two minima: none is then counted for another."""
    system, two = liquids
    starts = [*two, *(gg.Snapshot(s.positions[::-1], s.types[::-1], s.box) for s in two)]
    how = {"batch": 2, "checkpoint": tmp_path / "q.npz", "progress": False}
    plain = gg.simulate.quench(system, starts, progress=False)
    turned, count = Problem.original_order, []

    class Scarce(np.ndarray):
        def copy(self, *given):
            count.append(1)
            if len(count) == 4:  # the second of the second batch
                raise MemoryError
            return np.array(self)

    with monkeypatch.context() as patch:
        patch.setattr(Problem, "original_order", lambda self, *given: turned(self, *given).view(Scarce))
        with pytest.raises(OutOfMemory, match="positions that a batch ends with"):
            gg.simulate.quench(system, starts, **how)
    with np.load(tmp_path / "q.npz") as kept:
        assert kept["first"] == len(kept["places"]) == 2
    found = gg.simulate.quench(system, starts, **how)
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(found.final, plain.final, strict=True))


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
def test_a_later_batch_of_quenches_is_made_smaller_like_the_first(liquids, monkeypatch):
    system, two = liquids
    plain, whole, made = gg.simulate.quench(system, two * 2, progress=False), QuenchRun._make_problem, []

    def scarce(self):
        made.append(len(self._rows()))
        if len(made) == 2:
            raise MemoryError
        whole(self)

    monkeypatch.setattr(QuenchRun, "_make_problem", scarce)
    with pytest.warns(SmallerBatch, match="for 2 quenches in a batch at a time; going on with 1"):
        found = gg.simulate.quench(system, two * 2, batch=2, progress=False)
    assert made == [2, 2, 1, 1] and np.array_equal(found.potential, plain.potential)


@pytest.mark.filterwarnings("ignore::glassgpu.errors.SmallerBatch")
def test_an_interrupted_quench_that_begins_anew(liquids, monkeypatch, tmp_path):
    """Energies are those of the way that was kept, and steps are counted over interruptions."""
    system, starts = liquids
    how = {"keep_energies": True, "progress": False, "chunk": 40, "checkpoint": tmp_path / "q.npz"}
    plain = gg.simulate.quench(system, starts, keep_energies=True, progress=False)
    chunk, calls = QuenchRun._run_chunk, []

    def interrupted(self, most):
        calls.append(most)
        if len(calls) in (3, 6):
            raise KeyboardInterrupt
        if len(calls) == 4:  # the first after the interruption
            raise MemoryError
        return chunk(self, most)

    monkeypatch.setattr(QuenchRun, "_run_chunk", interrupted)
    for _ in range(2):
        with pytest.raises(gg.errors.Interrupted):
            gg.simulate.quench(system, starts, **how)
    found = gg.simulate.quench(system, starts, **how)
    assert np.array_equal(found.potential, plain.potential)
    assert [len(e) for e in found.energies] == found.steps.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(found.energies, plain.energies, strict=True))
    calls.clear()
    limited = {**how, "most_steps": 200, "checkpoint": tmp_path / "limited.npz"}
    for _ in range(2):
        with pytest.raises(gg.errors.Interrupted):
            gg.simulate.quench(system, starts, **limited)
    with pytest.raises(gg.errors.NotConverged):
        gg.simulate.quench(system, starts, **limited)
    assert sum(calls) == 200 + 3 * 40  # those of the three calls that raised
