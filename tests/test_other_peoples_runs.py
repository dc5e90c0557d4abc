"""Our dynamics against other people's runs from the same configuration (long: make validate)."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg

DT = 0.003  # the time step of that data set


@pytest.mark.validate
def test_short_time_propensity_of_every_particle(bapst, figures):
    system = gg.systems.kob_andersen(cutoff="per_pair")
    own = gg.isoconfigurational(
        system, bapst.snapshot, temperature=0.44, times=[0.132], replicas=30, seed=5, dt=DT, thermostat=None, backend="cpu"
    )
    a = bapst.snapshot.types == 0
    r = gg.evaluate.pearson(own.propensity.values[0, a], bapst.propensity.values[0, a])
    figures(pearson=r)
    assert r >= 0.922


@pytest.mark.validate
def test_mean_propensity(bapst, figures):
    """Mean over A at three times within 3 standard errors over replicas."""
    system = gg.systems.kob_andersen(cutoff="per_pair")
    times, published, replicas = [0.132, 0.435, 288.426], [0.1043, 0.1454, 0.1862], 8
    run = gg.simulate.md(
        system,
        bapst.snapshot,
        temperature=0.44,
        times=times,
        replicas=replicas,
        seed=6,
        dt=DT,
        thermostat=None,
        keep_positions=True,
        backend="cpu",
    )
    moved = np.linalg.norm(gg.dynamics.displacements(bapst.snapshot.positions, run.positions), axis=-1)
    mean = moved[:, :, bapst.snapshot.types == 0].mean(axis=2)
    for k, (time, theirs) in enumerate(zip(times, published, strict=True)):
        deviation = mean[:, k].std(ddof=1)
        error = deviation * np.sqrt(1 / replicas + 1 / 30) + 5e-5  # ours, their 30 runs, their rounding
        figures(**{f"t = {time}": {"measured": mean[:, k].mean(), "error": deviation / np.sqrt(replicas), "published": theirs}})
        assert abs(mean[:, k].mean() - theirs) < 3 * error
