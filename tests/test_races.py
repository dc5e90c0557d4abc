"""Races: the real kernel is clean under the sanitizers, and planted races are caught."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from glassgpu import compile as compiling

HERE = Path(__file__).parent
KERNELS = Path(compiling.__file__).parent.parent / "kernels"


IN_LANES = ("md", "quench", "walk")  # whose mixed lists vectors read; the others read them entry by entry


def build(source: str, output: Path, sanitizer: str, *defines: str, reader: str = "threads") -> Path:
    words = [
        *compiling.compiler(), "-std=c++17", "-O0", "-g1", "-march=native", "-Wno-psabi", *([f"-fsanitize={sanitizer}"] if sanitizer else []), "-pthread", f"-I{KERNELS}",
        *(["-DGG_READER_THREADS"] if reader == "threads" else []), *defines, str(HERE / "native" / source), "-o", str(output),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode and "cannot find" in done.stderr:
        pytest.skip(f"this compiler has no {sanitizer} sanitizer: apt install libgcc-dev")
    assert done.returncode == 0, done.stderr
    return output


def run(program: Path) -> subprocess.CompletedProcess:
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=120)
    if "unexpected memory mapping" in done.stderr:
        done = subprocess.run(["setarch", "-R", str(program)], capture_output=True, text=True, timeout=120)
    return done


@pytest.mark.parametrize(
    ("kernel", "dimension", "law", "double", "lists"),
    [
        ("md", 3, 0, 0, 1), ("md", 2, 1, 0, 0), ("md", 3, 1, 1, 1), ("quench", 3, 0, 1, 1), ("quench", 3, 0, 0, 1), ("walk", 3, 0, 1, 1), ("shells", 3, 0, 1, 0),
        ("coarse", 2, 0, 1, 1), ("coarse", 3, 0, 1, 0), ("symmetry", 2, 0, 1, 1), ("symmetry", 3, 0, 1, 0),
        ("softness", 3, 0, 1, 1), ("softness", 3, 0, 1, 0),
        ("elasticNet", 1, 0, 1, 1), ("elasticNet", 1, 0, 1, 0),
        ("imbalance", 1, 0, 1, 1), ("imbalance", 1, 0, 1, 0),
        ("mc", 2, 1, 0, 1), ("mc", 3, 0, 1, 1), ("mc", 2, 1, 0, 2),
        ("edmd", 3, 2, 1, 1),
    ],
)  # fmt: skip
def test_the_real_kernel_is_clean(tmp_path, kernel, dimension, law, double, lists):
    defines = [
        f"-DGG_STRICT={int(lists > 0 and kernel not in IN_LANES)}",
        f"-DGG_LISTS={lists}",
        "-DGG_SCALED=0",
        f"-DGG_DIMENSION={dimension}",
        f"-DGG_LAW={law}",
        f"-DGG_DOUBLE={double}",
        "-DGG_SPECIES=2",
        f"-DGG_ARGUMENTS_SIZE=sizeof({kernel[0].upper()}{kernel[1:]}Arguments)",
    ]
    host = run(build(f"{kernel.lower()}_threads.cpp", tmp_path / "host", "", *defines, reader="host"))
    for sanitizer in ("thread", "address,undefined"):
        done = run(build(f"{kernel.lower()}_threads.cpp", tmp_path / kernel, sanitizer, *defines))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARNING" not in done.stderr
        assert "runtime error" not in done.stderr
        assert done.stdout.startswith("status 0")
        assert done.stdout == host.stdout  # the same bits from one thread


def test_networks_are_clean(tmp_path):
    """Kernels of networks, whose tasks write to places of their own."""
    defines = ["-DGG_DOUBLE=0", "-DGG_STRICT=0", "-DGG_LISTS=0", "-DGG_LONG_VECTORS=1"]
    program = "networks_threads.cpp"
    alone = run(build(program, tmp_path / "alone", "", *defines, "-DGG_TASK_THREADS=1", reader="host"))
    assert alone.returncode == 0 and alone.stdout.startswith("checksum")
    for sanitizer in ("thread", "address,undefined"):
        done = run(build(program, tmp_path / "shared", sanitizer, *defines, "-DGG_TASK_THREADS=4", reader="host"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARNING" not in done.stderr and "runtime error" not in done.stderr
        assert done.stdout == alone.stdout


@pytest.mark.parametrize("planted", [0, 1, 2, 3])
def test_planted_races_are_caught(tmp_path, planted):
    program = build(
        "planted_races.cpp",
        tmp_path / "planted",
        "thread",
        f"-DPLANTED={planted}",
        "-DGG_DOUBLE=0",
        "-DGG_STRICT=0",
        "-DGG_ARGUMENTS_SIZE=sizeof(Arguments)",
    )
    done = run(program)
    assert ("data race" in done.stderr) == (planted > 0), done.stderr
