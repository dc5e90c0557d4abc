"""Fixtures shared by the tests."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

# Tests run side by side: threads of one's linear algebra wait for the other's, a small factorisation then takes a second.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

import glassgpu as gg


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of outside data, or a skip that says how to get them."""
    named = os.environ.get("GLASSGPU_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("outside data: set GLASSGPU_DATA to a folder with ka_t044_bapst.pickle and botan/")
    return Path(named)


@pytest.fixture(scope="session")
def bapst(data):
    return gg.io.read_bapst(data / "ka_t044_bapst.pickle")


@pytest.fixture(scope="session")
def liquid():
    """A small equilibrated Kob-Andersen liquid, with its system: N = 500 at T = 0.8."""
    system = gg.systems.kob_andersen(n=500, cutoff="per_pair")
    return system, gg.equilibrate(system, temperature=0.8, duration=4, seed=7, accept=None, backend="cpu", progress=False)


@pytest.fixture(scope="session")
def film():
    """A small two-dimensional ternary liquid, with its system: N = 300 at T = 0.6."""
    system = gg.systems.ternary_2d(n=300)
    return system, gg.equilibrate(system, temperature=0.6, duration=4, seed=8, dynamics="md", accept=None, backend="cpu", progress=False)


@pytest.fixture(scope="session")
def columns(film):
    """276 coarse-grained columns of inherent states of four ternary liquids, standardised, and a target, (1200, 276) and (1200,)."""
    system, start = film
    liquids = [gg.simulate.md(system, start, temperature=0.6, duration=1.0, seed=s, backend="cpu", progress=False).final for s in range(4)]
    inherent = gg.structure.inherent_structure(system, liquids, backend="cpu", progress=False)
    x = gg.descriptors.BehlerParrinello(coarse_graining=1.5, r_max=8.0, backend="cpu")(inherent).values.reshape(1200, 276)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    random = np.random.default_rng(0)
    y = x[:, ::40].sum(axis=1) + 3 * random.normal(size=1200)
    return x, (y - y.mean()) / y.std()


@pytest.fixture
def lattice():
    """Particles of alternating species, jiggled about a cubic lattice, in any box."""

    def make(per_side: int, side: float, d: int = 3, species: int = 2, jiggle: float = 0.05, seed: int = 0) -> gg.Snapshot:
        random = np.random.default_rng(seed)
        grid = np.stack(np.meshgrid(*[np.arange(per_side)] * d, indexing="ij"), axis=-1).reshape(-1, d)
        step = side / per_side
        positions = (grid + 0.5) * step + random.uniform(-jiggle, jiggle, grid.shape) * step
        types = random.permutation(np.arange(len(grid)) % species)
        return gg.Snapshot(positions, types, np.full(d, side))

    return make


@pytest.fixture
def figures(request):
    """Print the figures of a long check, and keep them in the file that GLASSGPU_RESULTS names."""

    def keep(**values) -> None:
        print(request.node.name, json.dumps(values), flush=True)
        named = os.environ.get("GLASSGPU_RESULTS")
        if named:
            path = Path(named)
            found = json.loads(path.read_text()) if path.exists() else {}
            found["machine"] = {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
            entry = found.setdefault(request.node.name, {})
            entry.update({"date": time.strftime("%Y-%m-%d"), **values})
            path.write_text(json.dumps(found, indent=1))

    return keep


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def pytest_terminal_summary(terminalreporter):
    """What each kernel takes of a GPU, as tests/test_kernels.py found it."""
    found = [text for report in terminalreporter.stats.get("passed", []) for name, text in report.user_properties if name == "compiled"]
    if found:
        terminalreporter.section("kernels compiled for GPUs")
        terminalreporter.write_line("\n".join(sorted(found)))


@pytest.fixture
def hoomd():
    """HOOMD-blue, or a reason to skip."""
    from glassgpu.engines.hoomd import INSTALL

    return pytest.importorskip("hoomd", reason=f"HOOMD-blue is not installed: {INSTALL}")
