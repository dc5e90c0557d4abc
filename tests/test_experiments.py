"""Experiments, the command line and the GPU check at smoke scale."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from glassgpu.experiments import demo, interpretability, kob_andersen_relaxation, public_data, ternary_relaxation

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


def test_interpretability_smoke(tmp_path):
    options = interpretability.Interpretability(out=tmp_path, scale="smoke", backend="cpu")
    page = interpretability.run(options)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert [len(numbers["pearson"][name]) for name in ("BehlerParrinello", "SLO", "JBB 0.5")] == [276, 60, 120]
    slo = dict(zip(numbers["columns"]["SLO"], numbers["pearson"]["SLO"], strict=True))
    assert slo["Theta(l=1.5)"] > 0.1 and slo["phi(l=1)"] < -0.1 < 0.1 < slo["rho(l=1)"]
    assert page.read_text().count("data:image/png") == 3
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}
    interpretability.run(options)
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}


def test_correlations_equal_numpy():
    random = np.random.default_rng(0)
    p, columns = random.normal(size=(2, 50)), random.normal(size=(2, 50, 3))
    pooled, each = interpretability.correlations(p, columns)
    assert pooled.shape == (3,) and each.shape == (2, 3)
    assert each[1, 2] == pytest.approx(np.corrcoef(p[1], columns[1, :, 2])[0, 1])
    assert pooled[1] == pytest.approx(np.corrcoef(p.ravel(), columns[:, :, 1].ravel())[0, 1])


def test_gpu_check_cpu_half(tmp_path):
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
        "correctness,md_rate,mc_rate,quench,descriptors,models",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads(out.read_text())
    assert result["correctness"]["figures"]["philox"] is True
    assert result["md_rate"]["figures"]
    assert all(agrees for name, agrees in result["correctness"]["figures"].items() if name.endswith(" agrees"))
    assert len(result["descriptors"]["figures"]) == 6
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
