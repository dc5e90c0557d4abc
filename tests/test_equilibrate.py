"""Equilibration by test: accepted liquids, rejected ones, and the statistics behind it."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.dynamics.stationarity import Stationarity, Window, blocked_error, compare, octants
from glassgpu.engines import equilibrate as engine


@pytest.fixture
def hot():
    return gg.systems.kob_andersen(n=300, density=1.0, cutoff="per_pair")


def options(**more):
    return {"temperature": 1.5, "duration": 20.0, "seed": 3, "configurations": 2, "backend": "cpu", "progress": False, **more}


def test_a_hot_liquid_is_accepted(hot, monkeypatch):
    seen = []
    original = engine.compare
    monkeypatch.setattr(engine, "compare", lambda *a: seen.append(original(*a)) or seen[-1])
    first, second = gg.equilibrate(hot, **options())
    assert seen[-1].accepted and seen[-1].relaxed
    assert not any(s.accepted for s in seen[:-1])
    assert not np.allclose(first.positions, second.positions)
    assert gg.energy(hot, first, backend="cpu").potential / 300 == pytest.approx(
        gg.energy(hot, second, backend="cpu").potential / 300, abs=0.4
    )


def test_a_liquid_that_cannot_relax_is_not_accepted(hot, tmp_path):
    """At T = 0.3 nothing leaves its cage in the time given: F_s tells, and the message says it."""
    path = tmp_path / "liquid.npz"
    with pytest.raises(gg.errors.NotConverged, match="stays above 1/e"):
        gg.equilibrate(
            gg.systems.kob_andersen(n=300, density=1.2),
            temperature=0.3,
            duration=1.0,
            seed=1,
            checkpoint=path,
            backend="cpu",
            progress=False,
        )
    assert path.exists()


def test_interrupted_and_resumed(hot, tmp_path, monkeypatch):
    plain = gg.equilibrate(hot, **options())
    path, count = tmp_path / "liquid.npz", []
    original = engine._Run.window

    def stopping(self, *a, **k):
        if len(count) == 1:
            raise gg.errors.Interrupted("here")
        count.append(1)
        return original(self, *a, **k)

    monkeypatch.setattr(engine._Run, "window", stopping)
    with pytest.raises(gg.errors.Interrupted):
        gg.equilibrate(hot, **options(checkpoint=path))
    monkeypatch.setattr(engine._Run, "window", original)
    resumed = gg.equilibrate(hot, **options(checkpoint=path, threads=1))
    for a, b in zip(plain, resumed, strict=True):
        assert np.array_equal(a.positions, b.positions) and np.array_equal(a.velocities, b.velocities)
    again = gg.equilibrate(hot, **options(checkpoint=path, progress=lambda _: pytest.fail("finished before")))
    assert np.array_equal(again[0].positions, plain[0].positions)


@pytest.mark.parametrize("window", [1, 2])
def test_killed_after_a_window_was_kept(hot, tmp_path, monkeypatch, window):
    """The window's own checkpoint is still there, over which the next must not stumble; and what the
    window led to must not be decided anew."""
    plain = gg.equilibrate(hot, **options())
    path = tmp_path / "liquid.npz"
    original = engine._Run.save

    def killed(self):
        original(self)
        if self.windows == window:
            raise MemoryError

    monkeypatch.setattr(engine._Run, "save", killed)
    with pytest.raises(MemoryError):
        gg.equilibrate(hot, **options(checkpoint=path))
    assert list(tmp_path.glob(f"*.window{window - 1}"))
    monkeypatch.setattr(engine._Run, "save", original)
    resumed = gg.equilibrate(hot, **options(checkpoint=path))
    assert np.array_equal(plain[0].positions, resumed[0].positions)


def test_without_a_test_it_runs_for_the_duration(hot):
    one = gg.equilibrate(hot, temperature=1.0, duration=0.5, seed=1, accept=None, backend="cpu", progress=False)
    assert isinstance(one, gg.Snapshot) and one.velocities is not None
    again = gg.equilibrate(hot, temperature=1.0, duration=0.5, seed=1, start=[one], accept=None, backend="cpu", progress=False)
    assert isinstance(again, list) and len(again) == 1
    with pytest.raises(gg.errors.InvalidInput, match="accept"):
        gg.equilibrate(hot, temperature=1.0, duration=0.5, seed=1, accept="yes")


def test_blocked_error_of_a_series_with_memory():
    """An autoregressive series: the naive error is several times too small, the blocked one is right."""
    random = np.random.default_rng(0)
    means, errors = [], []
    for _ in range(300):
        x = np.zeros(2000)
        for k in range(1, 2000):
            x[k] = 0.95 * x[k - 1] + random.normal()
        means.append(x.mean())
        errors.append(blocked_error(x[None], 10))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(means), rel=0.2)


def windows(random, change_f=0.0, change_e=0.0, last=0.1):
    f = np.linspace(0.9, last, 10)
    first, second = (
        Window(-7 + e + random.normal(0, 0.01, (4, 50)), f + d + random.normal(0, 0.02, (32, 10)), np.zeros(32))
        for d, e in ((0, 0), (change_f, change_e))
    )
    return compare(first, second, 0.0)


def test_verdicts():
    random = np.random.default_rng(1)
    assert np.mean([windows(random).accepted for _ in range(300)]) > 0.9
    assert np.mean([windows(random, change_f=0.03).accepted for _ in range(100)]) < 0.05
    assert np.mean([windows(random, change_e=0.01).accepted for _ in range(100)]) < 0.05
    assert not windows(random, last=0.5).relaxed
    assert not Stationarity(True, 1.0, 1.0, 1.05).accepted
    assert Stationarity(True, 1.0, 1.0, 0.95).accepted
    assert not Stationarity(True, 1.0, 1.0, float("nan")).accepted
    assert not Stationarity(True, float("nan"), 1.0, 0.0).accepted


@pytest.mark.parametrize("told", [True, False])
def test_configurations_that_relax_as_a_whole_are_not_taken_for_ageing(told):
    """Two thirds of the variance of a configuration's mean are shared by its octants; taken as independent, they fail one test in six or more."""
    random = np.random.default_rng(4)
    owner = np.repeat(np.arange(4), 8)

    def judged(change):
        pair = [
            Window(
                -7 + random.normal(0, 0.01, (4, 50)),
                np.linspace(0.9, 0.1, 10) + d + random.normal(0, 0.02, (32, 10)) + random.normal(0, 0.01, 4)[owner, None],
                owner if told else np.zeros(32),
            )
            for d in (0, change)
        ]
        return compare(*pair, 0.0).accepted

    still, ageing = np.mean([judged(0.0) for _ in range(300)]), np.mean([judged(0.06) for _ in range(100)])
    assert ageing < 0.05
    assert still > 0.9 if told else still < 0.85


def test_octants():
    x = np.random.default_rng(0).uniform(-2, 2, (500, 3))
    part = octants(x, np.full(3, 4.0))
    assert set(part) == set(range(8))
    for o in range(8):
        assert (np.sign(x[part == o]) == np.sign(x[part == o][0])).all()


def test_a_finished_checkpoint_is_one_of_the_same_system_and_code(tmp_path, monkeypatch):
    from dataclasses import replace

    from glassgpu.engines import equilibrate as engine

    path = tmp_path / "liquid.npz"
    system = gg.systems.kob_andersen(n=200, density=1.0)
    common = dict(temperature=1.0, duration=0.5, seed=1, accept=None, checkpoint=path, backend="cpu", progress=False)
    gg.equilibrate(system, **common)
    flat = gg.System(
        "flat", ("A", "B"), (160, 40), 0.8, 2, system.sigma, system.epsilon, system.cutoff, system.law, system.inner, system.mass
    )
    for other, what in ((flat, "dimension"), (replace(system, wavenumber=6.0), "wavenumber")):
        with pytest.raises(gg.errors.CheckpointMismatch, match=what):
            gg.equilibrate(other, **common)
    monkeypatch.setattr(engine, "source_key", lambda: "other kernels")
    with pytest.raises(gg.errors.CheckpointMismatch, match="the code"):
        gg.equilibrate(system, **common)
