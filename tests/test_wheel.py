"""The built wheel is complete: what users install has no source tree beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build leaves files beside the source, and takes those of the last one
    for name in ("glassgpu", "kernels", "experiments"):
        shutil.copytree(
            ROOT / name, source / name, ignore=lambda where, names: [n for n in names if Path(where, n).is_symlink() or n == "__pycache__"]
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source], check=True)
    (found,) = folder.glob("*.whl")
    return found


def clean():
    """The environment without what leads to the source tree."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def test_it_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    packages = {f"glassgpu/{path.relative_to(ROOT / 'glassgpu')}" for path in (ROOT / "glassgpu").glob("**/*.py")}
    kernels = {f"glassgpu/kernels/{path.name}" for path in (ROOT / "kernels").iterdir() if path.suffix in (".cu", ".cuh", ".py")}
    experiments = {f"glassgpu/experiments/{path.name}" for path in (ROOT / "experiments").iterdir() if path.suffix in (".py", ".toml")}
    assert names == packages | kernels | experiments
    assert len(packages) > 100 and len(kernels) > 50 and len(experiments) > 30


def test_it_runs_without_the_source_tree(wheel, tmp_path):
    """Unpacked, with the packages that are installed here; doctor compiles a kernel from the wheel's own sources."""
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "unpacked")
    where = {
        "cwd": tmp_path,
        "env": {**clean(), "PYTHONPATH": str(tmp_path / "unpacked")},
        "check": True,
        "capture_output": True,
        "text": True,
    }
    told = subprocess.run(
        [sys.executable, "-c", "import glassgpu, glassgpu.kernels as k; print(glassgpu.__file__, k.__path__[0])"], **where
    )
    assert told.stdout.count(str(tmp_path / "unpacked")) == 2
    doctor = subprocess.run([sys.executable, "-m", "glassgpu.cli.main", "doctor"], **where).stdout
    assert "kernels" in doctor
    claims = "from glassgpu.evaluate.claims import read_claims; print(len(read_claims('softness')))"
    assert int(subprocess.run([sys.executable, "-c", claims], **where).stdout) > 5


@pytest.mark.validate
def test_an_empty_environment(wheel, tmp_path):
    """pip install, doctor, demo, one experiment; nothing but the wheel and what it asks for."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    bin, how = tmp_path / "venv" / "bin", {"cwd": tmp_path, "env": {**clean(), "GLASSGPU_CACHE": str(tmp_path / "cache")}, "check": True}
    subprocess.run([bin / "python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel], **how)
    packages = json.loads(
        subprocess.run([bin / "python", "-m", "pip", "list", "--format=json"], capture_output=True, text=True, **how).stdout
    )
    assert not {"pytest", "dask", "plotly", "submitit", "numba"} & {package["name"] for package in packages}
    subprocess.run([bin / "glassgpu", "doctor"], **how)
    subprocess.run([bin / "glassgpu", "demo", "--out", "demo"], **how)
    subprocess.run([bin / "glassgpu", "experiment", "hard_sphere_relaxation", "--scale", "smoke", "--out", "spheres"], **how)
    for name in ("demo", "spheres"):
        assert (tmp_path / name / "report.html").stat().st_size > 100_000
