"""Softness and energy barriers at smoke scale, and what their stages rest on."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from glassgpu.experiments import energy_barriers, softness, softness_report
from glassgpu.experiments import energy_barriers_stages as barriers
from glassgpu.experiments import softness_stages as stages

import glassgpu as gg
from glassgpu import models
from glassgpu.study.status import stage_status


@pytest.fixture(scope="module")
def liquids(tmp_path_factory):
    """A folder of trajectories, which both experiments share."""
    return tmp_path_factory.mktemp("watched")


def unchanged(folder):
    return {p: p.stat().st_mtime_ns for p in folder.glob("stages/*/*")}


def test_softness_smoke(tmp_path, liquids):
    options = softness.Softness(out=tmp_path, scale="smoke", liquids=liquids, backend="cpu")
    page = softness.run(options)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["temperatures"] == [0.6, 0.9, 1.2, 2.0]
    assert np.diff(numbers["share_hopping"]).min() > 0
    assert np.mean(numbers["accuracy"]["thermal"]) > 0.55 and abs(np.mean(numbers["shuffled"]["thermal"]) - 0.5) < 0.06
    assert numbers["moments"]["softness"]["mean"][0] < numbers["moments"]["softness"]["mean"][-1]  # warm liquids are soft
    p = np.array(numbers["landscape"]["softness"]["probability"])
    assert (p[:, -1] > p[:, 0]).all()  # soft particles rearrange
    text = page.read_text()
    assert text.count("data:image/png") == 9
    assert text.count("<td>not reachable</td>") == len(gg.evaluate.read_claims("softness"))
    assert "Its numbers mean nothing" in text[: text.index("In a dense crowd")]
    assert numbers["relaxation_time"] == "longer than 3.2, the length of a run" and "relaxation time is longer than 3.2" in text
    assert "where it was during the last 0.4 tau" in text and "above log10 p_hop = -1.30" in text  # two frames of 0.2
    assert {s.state for s in stage_status(tmp_path)} == {s.state for s in stage_status(liquids)} == {"done"}
    before = unchanged(tmp_path), unchanged(liquids)
    softness.run(options)
    assert before == (unchanged(tmp_path), unchanged(liquids))


def test_energy_barriers_smoke(tmp_path, liquids):
    options = energy_barriers.EnergyBarriers(out=tmp_path, scale="smoke", liquids=liquids, backend="cpu")
    page = energy_barriers.run(options)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    pearson = {name: np.mean(found["pearson"]) for name, found in numbers["explained"]["0.6"].items()}
    assert min(pearson["SVR"], pearson["ridge"], pearson["RBF SVR"]) > 0.2
    assert numbers["calibration"][0][3] == pytest.approx(1, abs=0.15)  # barriers of traps without noise
    assert numbers["mean_p"]["0.9"] > numbers["mean_p"]["0.6"] > 0.03
    text = page.read_text()
    assert text.count("data:image/png") == 12
    assert text.count("<td>not reachable</td>") == len(gg.evaluate.read_claims("energy_barriers"))
    assert "Its numbers mean nothing" in text[: text.index("Release the same crowd from the same photograph 24 times")]
    assert (
        "no structural variance left" in text
        and "the variance that counting adds, which with fewer than some ten hops a particle is itself known badly" in text
    )
    assert {s.state for s in stage_status(tmp_path)} == {"done"}
    before = unchanged(tmp_path), unchanged(liquids)
    energy_barriers.run(options)
    assert before == (unchanged(tmp_path), unchanged(liquids))


class Read:
    """A page that keeps its text."""

    def __init__(self):
        self.paragraphs = []

    def text(self, *paragraphs):
        self.paragraphs += paragraphs


def test_only_the_smallest_scale_is_no_result():
    page = Read()
    for scale in softness.SCALES:
        softness_report.warn_of_smoke(page, scale)
    assert len(page.paragraphs) == 1


def test_a_relaxation_time_that_is_a_bound_is_told_as_one():
    frames = SimpleNamespace(interval=0.2, times=0.2 * np.arange(17))
    told = [softness_report.relaxation(float(tau), frames) for tau in (frames.times[-1], 1.234, frames.interval)]
    assert told == ["longer than 3.2, the length of a run", "1.23", "at most 0.2"]


def test_spells_are_told_in_time():
    """Frames 0.5 apart, windows of four: 2 tau; the longest spell of 30 frames: 15 tau; 24 frames: 12 tau; 8 frames: 4 tau."""
    p_hop = np.random.default_rng(0).uniform(0.01, 1, (40, 20))
    store = SimpleNamespace(runs=1, interval=0.5, times=0.5 * np.arange(40), types=np.zeros((1, 20), int), p_hop=lambda _: p_hop)
    cold = {
        "tau_alpha": 3.0, "longest_quiet": 30, "thesis_quiet_spells": 7, "quiet_limit": 0.04, "quiet_frames": 8,
        "sets": {"thermal": {"provenance": {"rule": "smallest limit"}}, "inherent": {"provenance": {"quiet_for": 24}}},
    }  # fmt: skip
    data = SimpleNamespace(temperatures=(0.5,), frames={0.5: {"share_hopping": 0.1}}, hops=gg.dynamics.Hops(interval=0.5, half_window=4))
    page = Read()
    page.heading = page.figure = lambda *_: None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(softness_report, "opened", lambda _: store)
        softness_report._labels(page, SimpleNamespace(show=lambda *_: None), data, cold)
    text = " ".join(page.paragraphs)
    assert "where it was during the last 2 tau with where it is during the next 2." in text
    assert "the longest such spell here is 15 tau; 7 spells last the 12 tau asked for at this scale" in text
    assert "quiet below 0.04 for 4 tau" in text


@pytest.mark.parametrize(
    "model",
    [
        models.LinearSVC(C=0.1, loss="hinge"), models.LinearSVR(C=0.1), models.Ridge(alpha=0.1), models.KernelSVR(C=1.0),
        models.MLPRegressor(parameters=60, epochs=2, seed=1, progress=False),
    ],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_models_are_stored_and_found_again(model, tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 4)) * [1, 5, 0.1, 0] + 3
    y = x[:, 0] + 0.2 * x[:, 1]
    fitted = barriers.Standardised(model, x, y > y.mean() if isinstance(model, models.LinearSVC) else y)
    study = gg.study.Study(tmp_path)
    stored = study.stage("fit", lambda: {"kept": fitted.kept()})
    again = barriers.Standardised.from_kept(stored["kept"])
    new = np.concatenate([random.normal(size=(30, 4)) + 3, np.ones((30, 2))], axis=1)  # a model takes the columns it knows
    assert np.array_equal(fitted.output(new), again.output(new)) and np.ptp(again.output(new)) > 0


def test_halves_choose_each_others_bias():
    run = np.repeat(np.arange(4), 50)
    y = np.tile(np.arange(50) % 2, 4)
    shift = np.where(run % 2 == 0, 0.0, 10.0)  # halves that disagree about the bias
    same, low = softness.by_halves(y - 0.5, y, run)
    assert same.tolist() == [1, 1, 1, 1] and low == 1
    apart, _ = softness.by_halves(y - 0.5 + shift, y, run)
    assert apart.tolist() == [0.5] * 4  # each half alone would be told apart perfectly
    uneven, low = softness.by_halves(np.where(run == 3, 0.5 - y, y - 0.5), y, run)
    assert low < uneven.mean() < 1


def test_runs_left_out_are_not_learned_from():
    """A column that names the run and its labels helps nobody who has not seen the run."""
    random = np.random.default_rng(0)
    run, y = np.repeat(np.arange(5), 60), random.integers(0, 2, 300)
    told = np.zeros((300, 5))
    told[np.arange(300), run] = 2 * y - 1
    accuracy, _, _ = stages.left_out(told + 0.01 * random.normal(size=(300, 5)), y, run)
    assert abs(accuracy.mean() - 0.5) < 0.1
    x = random.normal(size=(300, 3)) + y[:, None]
    accuracy, projection, planes = stages.left_out(x, y, run)
    assert accuracy.mean() > 0.7 and gg.evaluate.pearson(projection, y) > 0.5
    for k in range(5):
        np.testing.assert_array_equal(planes[str(k)].projection(x[run == k]), projection[run == k])
        again = stages.classifier(x[run != k], y[run != k])
        np.testing.assert_array_equal(planes[str(k)].weights, again.weights)


def test_who_stays_all_along_is_not_both_early_and_late():
    frame = np.array([5, 100, 5, 100, 5, 100, 50])
    particle, run = np.array([1, 1, 2, 3, 4, 4, 9]), np.array([0, 0, 0, 0, 0, 1, 0])
    table = {"frame": frame, "particle": particle, "run": run, "label": np.zeros(7, int)}
    early, late = stages.apart_in_time(table)
    assert early.tolist() == [True, False, True, False, True, False, False]
    assert late.tolist() == [False, False, False, True, False, True, False]
    early, late = stages.apart_in_time({**table, "label": np.ones(7, int)})  # hops are different hops
    assert late.tolist() == [False, True, False, True, False, True, False]


def test_blocks_last_two_relaxation_times():
    frames = np.arange(5, 65, 2)
    block = stages.blocks(3, frames, 10.0)  # 58 frames: two blocks of each run
    assert block.reshape(3, 30).tolist() == [[2 * run] * 15 + [2 * run + 1] * 15 for run in range(3)]
    assert stages.blocks(2, frames, 100.0).reshape(2, 30).tolist() == [[0] * 30, [1] * 30]


def test_a_model_that_says_the_same_of_everybody_has_no_landscape():
    result = {
        "projection": np.full((1, 3, 4, 50), 0.7, np.float32), "names": ["flat"], "rearranges": np.random.default_rng(0).random((3, 4, 50)) < 0.1,
        "frames": np.arange(4), "tau_alpha": 10.0,
    }  # fmt: skip
    found = stages.mapped({"0.5": result, "0.6": result}, [0.5, 0.6], "flat", 0.03, 0.97, 5, 5, 10, 1)
    assert np.isnan(found["linear"]["e1"]) and np.isnan(found["onset"]["temperature"]) and found["onset"]["reason"]
