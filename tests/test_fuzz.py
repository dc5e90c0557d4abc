"""Damaged files of every kind that is read: a valid result or a named error, in time and within a budget of memory, and no code run.

The long campaigns are ``make validate``; ``python tests/fuzzed_readers.py FORMAT FILES SEED`` is one of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzed_readers import FORMATS, campaign

SLOW = ("columns",)  # computes what it finds missing: fewer files here, as many in the long campaign


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files(kind):
    outcomes = campaign(kind, 50 if kind in SLOW else 200, seed=11)
    assert outcomes["refused"] > outcomes["read"] / 10, "the damage does nothing"


@pytest.mark.validate
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_that_a_fuzzer_chooses(kind, tmp_path, figures):
    """10,000 under atheris, in a process of its own, which a crash of a C library would end."""
    pytest.importorskip("atheris", reason="the fuzzer atheris is for Linux on x86-64 and Python below 3.14")
    script = Path(__file__).parent / "fuzzed_readers.py"
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    run = subprocess.run([sys.executable, script, kind, "10000", "11"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    figures(told=next(line for line in run.stdout.splitlines() if line.startswith(f"{kind}: 10000 files")))
