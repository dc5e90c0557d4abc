"""Quenches: minima, downhill steps, fixed points, an independent minimiser, bit identities."""

from __future__ import annotations

import contextlib
import signal

import numpy as np
import pytest
import scipy.optimize
from references import all_pairs

import glassgpu as gg
from glassgpu.engines import quench_run
from glassgpu.engines.quench_run import QuenchRun
from glassgpu.launch import Cpu


@pytest.fixture(scope="module")
def quenched(liquid, film):
    return {
        name: (system, start, gg.simulate.quench(system, start, keep_energies=True, backend="cpu", progress=False))
        for name, (system, start) in {"liquid": liquid, "film": film}.items()
    }


@pytest.mark.parametrize("which", ["liquid", "film"])
def test_ends_at_a_minimum(which, quenched):
    system, start, quench = quenched[which]
    _, force, _ = all_pairs(system, quench.final.positions, start.types, start.box)
    assert np.linalg.norm(force, axis=1).max() < 1e-8
    assert quench.largest_force < 1e-8
    assert quench.potential == pytest.approx(gg.energy(system, quench.final, backend="cpu").potential, rel=1e-12)
    random = np.random.default_rng(3)
    for size in (1e-4, 1e-3):  # every direction leads uphill
        for _ in range(4):
            moved = gg.Snapshot(start_positions(quench) + random.normal(0, size, start.positions.shape), start.types, start.box)
            assert gg.energy(system, moved, backend="cpu").potential > quench.potential


def start_positions(quench):
    return quench.final.positions


@pytest.mark.parametrize("which", ["liquid", "film"])
@pytest.mark.parametrize("method", ["lbfgs", "steepest"])
def test_energy_never_rises(which, method, quenched):
    system, start, quench = quenched[which]
    if method == "steepest":
        quench = gg.simulate.quench(system, start, method=method, keep_energies=True, backend="cpu", progress=False)
    first = gg.energy(system, start, backend="cpu").potential
    energies = np.concatenate([[first], quench.energies])
    assert len(quench.energies) == quench.steps > 50
    assert np.diff(energies).max() <= 1e-13 * abs(quench.potential)  # the rounding of the sum
    assert energies[-1] < energies[0] - 0.1 * len(start.types)


@pytest.mark.parametrize("which", ["liquid", "film"])
def test_a_minimum_is_a_fixed_point(which, quenched):
    system, _, quench = quenched[which]
    again = gg.simulate.quench(system, quench.final, backend="cpu", progress=False)
    assert again.steps == 0
    assert np.array_equal(again.final.positions, quench.final.positions)


def test_the_same_basin_as_an_independent_minimiser(film):
    """Starting close to a minimum, where there is only one to find: SciPy's L-BFGS on the slow energy."""
    system = gg.systems.ternary_2d(n=110)
    start = gg.equilibrate(system, temperature=0.5, duration=1, seed=3, accept=None, backend="cpu", progress=False)
    minimum = gg.simulate.quench(system, start, backend="cpu", progress=False)
    nudged = minimum.final.positions + np.random.default_rng(0).normal(0, 0.01, start.positions.shape)

    def slow(x):
        energy, force, _ = all_pairs(system, x.reshape(-1, 2), start.types, start.box)
        return energy.sum(), -force.ravel()

    found = scipy.optimize.minimize(
        slow, nudged.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 150, "ftol": 1e-15, "gtol": 1e-5}
    )
    for method in ("lbfgs", "steepest"):
        ours = gg.simulate.quench(system, gg.Snapshot(nudged, start.types, start.box), method=method, backend="cpu", progress=False)
        assert ours.potential == pytest.approx(found.fun, abs=1e-6)
        assert ours.potential == pytest.approx(minimum.potential, abs=1e-9)


def run(system, starts, target=None, method="lbfgs", **how):
    run = QuenchRun(system, starts, target or Cpu(1), 1e-8, 10_000, True, method, progress=False, **how)
    run.run()
    return run


def identical(a, b):
    same = all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("places", "potential", "largest_force", "steps"))
    return same and all(np.array_equal(x, y) for x, y in zip(a.energies, b.energies, strict=True))


@pytest.mark.parametrize(("which", "method"), [("liquid", "lbfgs"), ("film", "lbfgs"), ("liquid", "steepest"), ("film", "steepest")])
def test_no_bit_depends_on_how_the_work_is_cut(which, method, request):
    system, start = request.getfixturevalue(which)
    starts = [start, gg.equilibrate(system, temperature=0.9, duration=0.5, seed=5, start=start, accept=None, backend="cpu", progress=False)]
    plain = run(system, starts, method=method)
    ways = {
        "batch": {"batch": 1},
        "chunk": {"chunk": 7},
        "threads": {"target": Cpu(2)},
        "short lists": {"capacity": 40},
        "shuffled": {"target": Cpu(2, shuffled=True)},
    }
    for name, way in ways.items():
        assert identical(plain, run(system, starts, method=method, **way)), name


@pytest.mark.parametrize(("stop_after", "method"), [(0, "lbfgs"), (1, "lbfgs"), (5, "lbfgs"), (1, "steepest"), (5, "steepest")])
def test_interrupted_and_resumed(film, tmp_path, stop_after, method, monkeypatch):
    system, start = film
    starts = [start, gg.equilibrate(system, temperature=0.9, duration=0.5, seed=5, start=start, accept=None, backend="cpu", progress=False)]
    plain = run(system, starts, method=method, chunk=50)
    path, chunks = tmp_path / "quench.npz", []
    original = QuenchRun._run_chunk

    def stopping(self, most):
        if len(chunks) == stop_after:
            raise KeyboardInterrupt
        chunks.append(1)
        return original(self, most)

    monkeypatch.setattr(QuenchRun, "_run_chunk", stopping)
    with pytest.raises(gg.errors.Interrupted, match="the same call continues"):
        run(system, starts, method=method, batch=1, chunk=50, checkpoint=path)
    monkeypatch.setattr(QuenchRun, "_run_chunk", original)
    assert identical(plain, run(system, starts, method=method, batch=1, chunk=20, checkpoint=path))


@pytest.mark.parametrize("stop_after", range(4))
def test_interrupted_where_a_chunk_is_kept(film, tmp_path, stop_after, monkeypatch):
    """Ctrl-C there is answered once all of it is kept, the forces too."""
    system, start = film
    plain = run(system, [start], chunk=150)
    path, kept = tmp_path / "quench.npz", []
    whole = quench_run.uninterrupted

    @contextlib.contextmanager
    def stopping():
        with whole():
            if len(kept) == stop_after:
                signal.raise_signal(signal.SIGINT)
            kept.append(1)
            yield

    with monkeypatch.context() as patch, contextlib.suppress(gg.errors.Interrupted):
        patch.setattr(quench_run, "uninterrupted", stopping)
        patch.setattr(quench_run, "SECONDS_PER_CHECKPOINT", np.inf)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            run(system, [start], chunk=150, checkpoint=path)
        finally:
            signal.signal(signal.SIGINT, before)
    assert identical(plain, run(system, [start], chunk=150, checkpoint=path))


def test_symmetries(film):
    """A translated, renumbered snapshot ends in the translated, renumbered minimum."""
    system, start = film
    shift, order = np.array([1.234, -5.1]), np.random.default_rng(1).permutation(start.n)
    a = gg.simulate.quench(system, start, backend="cpu", progress=False)
    b = gg.simulate.quench(
        system, gg.Snapshot((start.positions + shift)[order], start.types[order], start.box), backend="cpu", progress=False
    )
    apart = b.final.positions - (a.final.positions + shift)[order]
    apart -= start.box * np.rint(apart / start.box)
    assert b.potential == pytest.approx(a.potential, abs=1e-9)
    assert abs(apart).max() < 1e-6


def test_not_converged_says_so_and_keeps_the_checkpoint(film, tmp_path):
    system, start = film
    path = tmp_path / "quench.npz"
    with pytest.raises(gg.errors.NotConverged, match=r"largest force .* after ([1-9]|10) accepted steps"):
        gg.simulate.quench(system, start, most_steps=10, checkpoint=path, backend="cpu", progress=False)
    assert path.exists()
    found = gg.simulate.quench(system, start, checkpoint=path, backend="cpu", progress=False)  # goes on with what was done
    assert found.potential == gg.simulate.quench(system, start, backend="cpu", progress=False).potential


@pytest.mark.parametrize("which", ["liquid", "film"])
def test_single_precision_ends_in_the_minimum_nearby(which, quenched):
    """Found by all pairs in double precision; from there on the rest of the way is short."""
    system, start, _ = quenched[which]
    single = gg.simulate.quench(system, start, precision="single", force_tolerance=1e-3, backend="cpu", progress=False)
    energy, force, _ = all_pairs(system, single.final.positions, start.types, start.box)
    assert np.linalg.norm(force, axis=1).max() < 1.5e-3 and single.largest_force < 1e-3
    assert single.potential == pytest.approx(np.sum(energy), rel=1e-6)
    rest = gg.simulate.quench(system, single.final, backend="cpu", progress=False)
    apart = rest.final.positions - single.final.positions
    assert abs(apart - start.box * np.rint(apart / start.box)).max() < 0.02
    assert single.potential == pytest.approx(rest.potential, rel=1e-6)


def test_single_precision_has_the_same_bits_however_the_work_is_cut(film):
    system, start = film
    starts = [start, gg.Snapshot(start.positions + 0.1, start.types, start.box)]
    how = {"precision": "single", "force_tolerance": 1e-2, "backend": "cpu", "progress": False}
    whole = gg.simulate.quench(system, starts, **how)
    for cut in ({"batch": 1}, {"threads": 1}, {"chunk": 7}):
        other = gg.simulate.quench(system, starts, **how, **cut)
        assert all(np.array_equal(a.positions, b.positions) for a, b in zip(whole.final, other.final, strict=True))
        assert np.array_equal(whole.potential, other.potential)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "half"}, "precision"),
        ({"precision": "single"}, "force_tolerance=1e-08 is below the rounding of forces in single precision; give 0.001"),
        ({"precision": "single", "force_tolerance": 1e-2, "method": "steepest"}, "method='steepest' needs precision='double'"),
        ({"force_tolerance": 0}, "force_tolerance"),
        ({"force_tolerance": "small"}, "force_tolerance"),
        ({"most_steps": 0}, "most_steps"),
        ({"method": "newton"}, "method"),
    ],
)
def test_bad_input(film, change, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        gg.simulate.quench(*film, progress=False, **change)


def test_public_configuration(data):
    """Spec section 6: -7.662022 by conjugate gradient; another minimiser agrees to 1e-3."""
    botan = gg.io.read_botan(sorted((data / "botan").glob("*_1_tc07.npz")))
    system = gg.systems.kob_andersen(n=4096, cutoff="per_pair")
    quench = gg.simulate.quench(system, botan.snapshot, backend="cpu", progress=False)
    assert quench.largest_force[0] < 1e-8
    assert quench.potential[0] / 4096 == pytest.approx(-7.662022, abs=1e-3)
