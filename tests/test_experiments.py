"""Experiments, the command line and the GPU check at smoke scale."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import sklearn.linear_model
from glassgpu.experiments import (
    demo,
    hard_sphere_relaxation,
    hard_sphere_relaxation_report,
    information_imbalance,
    interpretability,
    kob_andersen_relaxation,
    model_comparison,
    public_data,
    ternary_relaxation,
)
from glassgpu.experiments import interpretability_claims as claims
from glassgpu.experiments import interpretability_fits as fits
from glassgpu.experiments import interpretability_report as report
from sklearn.preprocessing import StandardScaler

import glassgpu as gg
from glassgpu.study.status import stage_status


def test_demo_in_small(tmp_path, monkeypatch):
    options = demo.Demo(
        out=tmp_path, configurations=3, replicas=2, longest=1.0, equilibration=8.0, temperature=1.5, generations=1, backend="cpu"
    )
    with monkeypatch.context() as patch:  # stopped before its last stage, then started again
        patch.setattr(demo, "_learn", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            demo.run(options)
    assert [s.state for s in stage_status(tmp_path)] == ["done", "done", "done", "in progress"]
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}
    page = demo.run(options)
    assert [s.state for s in stage_status(tmp_path)] == ["done"] * 4
    assert before == {p: p.stat().st_mtime_ns for p in before}  # not made twice
    text = page.read_text()
    assert text.count('src="data:image/png;base64,') == text.count("src=") == 3  # self-contained
    assert "://" not in text
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert np.shape(numbers["pearson"]["A"]) == (3, len(numbers["times"]))
    assert numbers["times"][-1] / numbers["times"][0] == pytest.approx(1e4)
    displacement = numbers["mean_displacement"]["A"]
    assert all(b > a for a, b in pairwise(displacement))
    # Ballistic at first: <|v|> t with <|v|> = sqrt(8 T / pi).
    assert displacement[0] == pytest.approx(np.sqrt(8 * 1.5 / np.pi) * numbers["times"][0], rel=0.05)
    for name in ("maps", "pearson", "displacement"):
        assert (tmp_path / f"{name}.svg").stat().st_size > 1000
    assert set(numbers["provenance"]["seconds"]) == {"liquids", "ensemble", "descriptors", "fit"}
    assert numbers["provenance"]["options"]["replicas"] == 2


def test_public_data_smoke(data, tmp_path):
    page = public_data.run(public_data.PublicData(data=data, out=tmp_path, scale="smoke"))
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    honest = np.mean(numbers["pearson_A"]["thermal, 1 generation"])
    leaky = np.mean(numbers["leaky_A"]["random_particles"])
    assert 0.3 < honest < leaky
    assert page.read_text().count("not reachable") == 6  # no claim can be checked at this scale
    assert {s.state for s in stage_status(tmp_path)} == {"done"}
    assert len(numbers["provenance"]["files"]) == 4
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}
    public_data.run(public_data.PublicData(data=data, out=tmp_path, scale="smoke"))
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}


def test_model_comparison_smoke(tmp_path, monkeypatch):
    options = model_comparison.ModelComparison(out=tmp_path, scale="smoke", backend="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(model_comparison.fits, "graph", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model_comparison.run(options)
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "stages").iterdir()}
    page = model_comparison.run(options)
    assert all(path.stat().st_mtime_ns == when for path, when in stored.items())
    text = page.read_text()
    assert text.count("<img") == 10 and "smoke scale" in text and "not reachable" in text and ">nan<" not in text
    found = json.loads((tmp_path / "numbers.json").read_text())
    assert np.shape(found["table_one"]) == (2, 5, 2, 2) and np.shape(found["ridge"]) == (2, 2, 2)
    for name in ("ridge", "network", "graph network"):
        assert np.abs(found["best"][f"{name}, species L"]).max() <= 1
    assert np.diag(found["cosines"]) == pytest.approx(1.0)


def test_folds_of_model_comparison():
    fits = model_comparison.fits
    fold = fits.one_fold(20)
    assert (fold.train, fold.validation, fold.test) == (tuple(range(16)), (16, 17), (18, 19))
    assert fits.one_fold(20, 4).train == (0, 1, 2, 3) and fits.one_fold(20, 4).test == (18, 19)
    folds = fits.leave_one_out(4)
    assert [f.test for f in folds] == [(0,), (1,), (2,), (3,)] and folds[3].validation == (0,)
    assert all(sorted((*f.train, *f.validation, *f.test)) == [0, 1, 2, 3] for f in folds)
    random = np.random.default_rng(0)
    x = np.stack([random.normal(3.0, 1e-20, (4, 50)), np.full((4, 50), 2.0), random.normal(size=(4, 50))], axis=2)
    standard = fits.standardized(x, (0, 1, 2))
    assert not standard[..., 1].any()
    assert standard[:3, :, 2].reshape(-1).std() == pytest.approx(1.0)
    slow = fits.softness_direction(standard[..., 2:].reshape(-1, 1).repeat(2, axis=1) * [1.0, 0.1], x[..., 2].ravel())
    assert np.linalg.norm(slow) == pytest.approx(1.0) and slow[0] > 0.9


def test_relaxation_smoke(tmp_path):
    options = kob_andersen_relaxation.KobAndersenRelaxation(out=tmp_path, scale="smoke", backend="cpu")
    page = kob_andersen_relaxation.run(options)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    hot, cold = numbers["tau_alpha"]
    assert 0.2 < hot < cold < 5
    assert numbers["potential_energy_per_particle"][0] > numbers["potential_energy_per_particle"][1]
    assert page.read_text().count("data:image/png") == 5
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}
    kob_andersen_relaxation.run(options)
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}


def test_ternary_relaxation_smoke(tmp_path, monkeypatch):
    options = ternary_relaxation.TernaryRelaxation(out=tmp_path, scale="smoke", backend="cpu")
    with monkeypatch.context() as patch:  # stopped before its ensemble, then started again
        patch.setattr(ternary_relaxation, "_ensemble", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ternary_relaxation.run(options)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}
    page = ternary_relaxation.run(options)
    assert before == {p: p.stat().st_mtime_ns for p in before}
    assert {s.state for s in stage_status(tmp_path)} == {"done"}
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert 200 < numbers["tau_alpha"][0] < 1500
    assert numbers["tau_of_plain_displacements"][0] < numbers["tau_alpha"][0]
    assert numbers["energy_per_particle"][0] > numbers["energy_per_particle"][1]
    assert 0.6 < numbers["acceptance"]["0.7"] < numbers["acceptance"]["1.0"] < 0.75
    assert np.mean(numbers["pearson_p_q"]) / np.prod(numbers["ceilings_p_q"], axis=0).mean() < -0.5
    assert numbers["pearson_mc_md"][0] / numbers["product_of_ceilings_mc_md"][0] > 0.5
    assert page.read_text().count("data:image/png") == 4


def test_hard_sphere_relaxation_smoke(tmp_path, monkeypatch):
    options = hard_sphere_relaxation.HardSphereRelaxation(out=tmp_path, scale="smoke", backend="cpu")
    with monkeypatch.context() as patch:  # stopped before its ensembles, then started again
        patch.setattr(hard_sphere_relaxation, "_ensemble", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            hard_sphere_relaxation.run(options)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}
    page = hard_sphere_relaxation.run(options)
    assert before == {p: p.stat().st_mtime_ns for p in before}
    assert {s.state for s in stage_status(tmp_path)} == {"done"}
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert all(0.9 < b < 1.05 for b in numbers["ballistic"])
    assert numbers["collisions"]["0.3"] < numbers["collisions"]["0.45"] < numbers["collisions"]["0.5"]
    for packing in ("0.3", "0.45", "0.5"):
        assert numbers["compressibility"][packing] == pytest.approx(numbers["mixture_equation"][packing], rel=0.05)
    assert 0 < numbers["tau_alpha"][0] < numbers["tau_alpha"][1] < 4
    text = page.read_text()
    assert text.count("data:image/png") == 5
    assert "machinery" in text
    assert "verdict" not in text


def test_the_law_of_relaxation_times_is_found_again():
    """Times that follow Vogel, Fulcher and Tammann in the inverse packing fraction are extended to the truth."""
    packings = np.array([0.45, 0.50, 0.53, 0.55, 0.56])
    tau = 0.02 * np.exp(0.25 / (1 / packings - 1 / 0.60))
    value, factor, law = hard_sphere_relaxation_report.extrapolated(packings, tau, 0.02 * tau, 0.58)
    truth = 0.02 * np.exp(0.25 / (1 / 0.58 - 1 / 0.60))
    assert value == pytest.approx(truth, rel=1e-3)
    assert 1 < factor < 2
    assert 1 / law.t_0 == pytest.approx(0.60, rel=1e-4)
    assert hard_sphere_relaxation_report.extrapolated(packings[:3], tau[:3], tau[:3], 0.58) is None


def test_long_runs_of_hard_spheres_tell_their_hours(tmp_path, monkeypatch, capsys):
    """All that is left to do, before it begins."""
    options = hard_sphere_relaxation.HardSphereRelaxation(out=tmp_path, scale="paper", backend="cpu")
    wanted = dataclasses.replace(hard_sphere_relaxation.SCALES["paper"], n=100, fluid={0.45: (1.0, 10.0), 0.5: (1.0, 20.0)}, glass=0.52)
    hard_sphere_relaxation._tell_hours(options, wanted, set())
    every = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in every[:3]] == ["packing 0.45", "packing 0.5", "packing 0.52"]
    hours = [float(line.split("about ")[1].split()[0]) for line in every]
    assert hours[3] == pytest.approx(sum(hours[:3]), rel=0.01)
    assert hours[2] > 1000 * hours[0] > 0
    hard_sphere_relaxation._tell_hours(options, wanted, {"ensemble-0.45", "ensemble-0.52"})
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()[:1]] == ["packing 0.5"]


def test_hours_are_told_before_anything_runs(tmp_path, monkeypatch):
    """At the large scales, in a folder that holds nothing yet."""
    told = []
    options = hard_sphere_relaxation.HardSphereRelaxation(out=tmp_path, scale="paper", backend="cpu")
    monkeypatch.setattr(hard_sphere_relaxation, "_tell_hours", lambda *given: told.append(given))
    monkeypatch.setattr(hard_sphere_relaxation, "_compressed", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hard_sphere_relaxation.run(options)
    assert told == [(options, hard_sphere_relaxation.SCALES["paper"], set())]


@pytest.fixture(scope="module")
def liquids(tmp_path_factory):
    """A folder of simulations, which experiments share."""
    return tmp_path_factory.mktemp("liquids")


def unchanged(folder):
    return {p: p.stat().st_mtime_ns for p in folder.glob("stages/*/*")}


def test_interpretability_smoke(tmp_path, liquids):
    options = interpretability.Interpretability(out=tmp_path, scale="smoke", liquids=liquids, backend="cpu")
    page = interpretability.run(options)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert [len(numbers["pearson"][name]) for name in ("BehlerParrinello", "SLO", "JBB 0.5")] == [276, 60, 120]
    slo = dict(zip(numbers["columns"]["SLO"], numbers["pearson"]["SLO"], strict=True))
    assert slo["Theta(l=1.5)"] > 0.1 and slo["phi(l=1)"] < -0.1 < 0.1 < slo["rho(l=1)"]
    at = {name: k for k, name in enumerate(numbers["models"])}
    unseen = {name: np.mean(numbers["configuration"]["SLO"][k]) for name, k in at.items()}
    assert unseen["ridge 0.1"] > 0.3
    assert np.log10(numbers["kappa"]["BehlerParrinello"][0]) > 15
    text = page.read_text()
    assert text.count("data:image/png") == 16
    assert text.count("<td>not reachable</td>") == len(gg.evaluate.read_claims("interpretability"))  # all computed, none judged here
    assert {s.state for s in stage_status(tmp_path)} == {"done"}
    before = unchanged(tmp_path), unchanged(liquids)
    interpretability.run(options)
    assert before == (unchanged(tmp_path), unchanged(liquids))


def test_information_imbalance_smoke(tmp_path, liquids):
    options = information_imbalance.InformationImbalance(out=tmp_path, scale="smoke", liquids=liquids, backend="cpu")
    page = information_imbalance.run(options)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert np.shape(numbers["to_p"]) == (3, 60)
    assert np.abs(np.mean(numbers["to_p"], axis=0) - np.mean(numbers["from_p"], axis=0)).max() < 0.2
    supervised = np.mean(numbers["supervised_imbalance"], axis=0)
    assert supervised[-1, 0] < supervised[0, 0] < 1
    scores = {method: np.mean(values, axis=1) for method, values in numbers["scores"]["alpha"].items()}
    assert scores["supervised imbalance"][2] > scores["random selection"][2]
    text = page.read_text()
    assert text.count("data:image/png") == 7
    assert text.count("<td>not reachable</td>") == len(gg.evaluate.read_claims("information_imbalance"))
    before = unchanged(tmp_path), unchanged(liquids)
    information_imbalance.run(options)
    assert before == (unchanged(tmp_path), unchanged(liquids))


@pytest.mark.parametrize(
    "experiment", [pytest.param(interpretability.Interpretability, marks=pytest.mark.validate), information_imbalance.InformationImbalance]
)
def test_both_run_on_another_system(tmp_path, liquids, experiment):
    page = sys.modules[experiment.__module__].run(
        experiment(out=tmp_path, scale="smoke", system="kob_andersen", liquids=liquids, backend="cpu")
    )
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    names = numbers["columns"]["local"] if "columns" in numbers else numbers["names"]
    assert len(names) == 40 and names[0] == "rho(l=0.5)"
    assert "verdict" not in page.read_text()  # the papers speak of the ternary mixture


def test_experiments_say_what_public_files_they_want(tmp_path):
    options = interpretability.Interpretability(out=tmp_path / "a", scale="smoke", system="public", liquids=tmp_path / "b", data=tmp_path)
    with pytest.raises(gg.errors.InvalidInput, match=r"at least 3 are needed: give their folder by --data DIR"):
        interpretability.run(options)


def test_calculations_of_interpretability():
    """On columns with a known answer: what splits, models and stability are about."""
    random = np.random.default_rng(0)
    x = random.normal(size=(4, 300, 8)) * np.logspace(-22, 2, 8)
    p = (x / np.logspace(-22, 2, 8))[..., :2].sum(axis=2) + 0.5 * random.normal(size=(4, 300))
    found = fits.repeated(x, p, halves=3, bootstraps=4, seed=1)
    at = {name: k for k, name in enumerate(found["models"])}
    best = np.sqrt(2 / 2.25)  # of any model
    assert found["configuration"].shape == (len(at), 4)
    for name in ("ridge 0", "ridge 1e-06", "lasso 5", "redundancy 5"):
        assert found["random"][at[name]].mean() == pytest.approx(best, abs=0.03)
        assert found["configuration"][at[name]].mean() == pytest.approx(best, abs=0.03)
        assert found["stability"][at[name]] > 0.98
    assert found["random"][at["ridge 1000"]].mean() > 0.8  # a weight of nothing points the same way
    ridge = sklearn.linear_model.Ridge(alpha=0.1 * 900)
    every = fits.standardized(x.reshape(-1, 8))
    y = (p.ravel() - p.mean()) / p.std()
    others = np.arange(1200) >= 300
    scaler = StandardScaler().fit(every[others])
    guess = ridge.fit(scaler.transform(every[others]), y[others]).predict(scaler.transform(every[:300]))
    np.testing.assert_allclose(found["prediction"][at["ridge 0.1"], 0], guess, atol=1e-9)
    spectrum = fits.collinearity(x, p)
    np.testing.assert_allclose(spectrum["pearson"], [np.corrcoef(c, y)[0, 1] for c in every.T], atol=1e-10)
    each = np.array([[np.corrcoef(x[c, :, k], p[c])[0, 1] for k in range(8)] for c in range(4)])
    np.testing.assert_allclose(spectrum["pearson_error"], each.std(axis=0, ddof=1) / 2, atol=1e-10)
    assert 2 <= spectrum["criteria_columns"][spectrum["criteria"][1].argmin()] <= 4  # BIC finds the two columns, or nearly
    nets = fits.elastic_nets(x, p, halves=2, seed=1)
    assert nets["count"].max() == 8 and np.nanmax(nets["pearson"]) == pytest.approx(best, abs=0.04)
    curve = report.envelope(nets, 8)
    assert np.nanmax(curve) == curve[1] or curve[1] > best - 0.04
    assert claims.changes_of_sign(np.array([1.0, -2.0, -1.0, 0.0, 3.0, -1.0])) == 2
    assert fits._mean_cosine(np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]]))[0] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "parts",
    [
        "quench",  # the others compile for minutes what the tests of each kernel compare as well
        pytest.param("correctness,descriptors,hard_spheres,md_rate,mc_rate,selection,models,networks", marks=pytest.mark.validate),
    ],
)
def test_gpu_check_cpu_half(tmp_path, parts):
    out = tmp_path / "check.json"
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "benchmarks.gpu_check",
        "--backend",
        "cpu",
        "--out",
        str(out),
        "--parts",
        parts,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads(out.read_text())
    if "md_rate" in result:
        assert result["md_rate"]["figures"] and result["mc_rate"]["figures"] and result["models"]["figures"]
        assert len(result["selection"]["figures"]) == 2
        assert len(result["descriptors"]["figures"]) == 7
        assert all(value for name, value in result["hard_spheres"]["figures"].items() if "change" not in name or "nothing" in name)
        assert result["correctness"]["figures"]["philox"] is True
        assert all(agrees for name, agrees in result["correctness"]["figures"].items() if name.endswith(" agrees"))
        return
    assert result["quench"]["figures"]["strict bit for bit"] is True


def test_command_line(tmp_path):
    def call(*words):
        return subprocess.run([sys.executable, "-W", "ignore", "-m", "glassgpu.cli.main", *words], capture_output=True, text=True)

    doctor = call("doctor")
    assert doctor.returncode == 0, doctor.stderr
    for word in ("C++ compiler", "NVRTC", "JAX devices", "hoomd", "conda-forge"):
        assert word in doctor.stdout
    blocked = tmp_path / "file"
    blocked.write_text("")
    failed = call("demo", "--out", str(blocked / "out"))
    assert failed.returncode == 1
    assert failed.stderr.startswith("glassgpu: OutputNotWritable")
    assert "--data" in call("experiment", "public_data", "--help").stdout
