"""Experiments killed at random moments, again and again, and started again: the numbers of one that was left alone."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_study import contents, leftovers

from glassgpu.cli.main import EXPERIMENTS
from glassgpu.study.status import stage_status

STAGE = re.compile(r"\S+: (ran in|done before)")
SHARED = {"softness": "liquids", "energy_barriers": "liquids", "information_imbalance": "liquids", "interpretability": "liquids"}
SMALL_DEMO = [
    "--configurations",
    "3",
    "--replicas",
    "2",
    "--longest",
    "1.0",
    "--equilibration",
    "8.0",
    "--temperature",
    "1.5",
    "--generations",
    "1",
]


def command(name: str, folder: Path, data: Path | None) -> list[str]:
    words = ["demo", *SMALL_DEMO] if name == "demo" else ["experiment", name, "--scale", "smoke"]
    words += ["--out", str(folder / "out")]
    words += ["--data", str(data)] if name == "public_data" else ["--backend", "cpu"]
    words += ["--liquids", str(folder / "liquids")] if name in SHARED else []
    return [sys.executable, "-W", "error", "-m", "tests.often_saved", *words]


@dataclass
class Run:
    """A started experiment; its errors stand in a file beside the folder."""

    words: list[str]
    errors: Path
    lines: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)

    def stages(self, many: int | None = None) -> None:
        """Wait until so many stages have been told of, or to the end."""
        assert self.process.stdout is not None
        while many is None or len(self.lines) < many:
            line = self.process.stdout.readline()
            if not line:
                break
            if STAGE.match(line):
                self.lines.append((line.partition(":")[0], time.monotonic() - self.began))

    def end(self) -> int:
        """Its exit status, once it has ended."""
        self.stages()
        with self.process as process:
            return process.wait()

    def finish(self) -> float:
        """Seconds to the end."""
        assert self.end() == 0, self.errors.read_text()[-3000:]
        return time.monotonic() - self.began

    def kill(self, seconds: float) -> bool:
        """SIGKILL to it and all that it has started, after so many seconds; whether it came in time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.end()
        assert code in (0, -signal.SIGKILL), self.errors.read_text()[-3000:]
        return code != 0


def studies(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/study.json"))


def timeless(value: Any) -> Any:
    """What does not depend on the clock."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in ("provenance", "seconds", "seconds_")}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def result(folder: Path) -> dict[str, Any]:
    """Every number of the report, and all that stages have stored, bit for bit."""
    found: dict[str, Any] = {"numbers": timeless(json.loads((folder / "out" / "numbers.json").read_text()))}
    for study in studies(folder):
        for place, (values, arrays) in contents(study).items():
            found[f"{study.name}/{place}"] = (
                timeless(values),
                {name: array for name, array in arrays.items() if not name.endswith(".seconds")},
            )
        for path in sorted(study.glob("stages/*/files/**/*")):
            if path.is_file():
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def campaign(name: str, kills: int, folder: Path, data: Path | None, seed: int) -> dict[str, Any]:
    """Run it once undisturbed, then kill it at moments spread at random over that run's length, and compare."""
    for part in ("alone", "killed"):
        (folder / part).mkdir()
    alone = Run(command(name, folder / "alone", data), folder / "alone.err")
    seconds = alone.finish()
    ends = [0.0, *(when for _, when in alone.lines)]
    random = np.random.default_rng([seed, *name.encode()])
    came, killed_for, starts, moments = 0, 0.0, 0, []
    for moment in itertools.chain(*((np.arange(kills) + random.random(kills)) / kills * seconds for _ in range(3))):
        if came == kills:
            break
        stage = int(np.searchsorted(ends, moment)) - 1  # so many have ended by then
        run = Run(command(name, folder / "killed", data), folder / "killed.err")
        run.stages(stage)
        came += run.kill(moment - ends[stage])
        starts += 1
        moments.append([round(float(moment), 2), alone.lines[stage][0] if stage < len(alone.lines) else "report"])
        killed_for += time.monotonic() - run.began
        for study in studies(folder / "killed"):
            assert all(found.state != "damaged" for found in stage_status(study)), (name, moment)
    killed_for += Run(command(name, folder / "killed", data), folder / "killed.err").finish()
    facts = {"kills": came, "starts": starts + 1, "undisturbed_s": round(seconds, 1), "killed_s": round(killed_for, 1), "moments": moments}
    print(name, json.dumps(facts))
    assert came == kills
    expected, found = result(folder / "alone"), result(folder / "killed")
    assert found.keys() == expected.keys(), sorted(found.keys() ^ expected.keys())
    assert [key for key in expected if expected[key] != found[key]] == []
    for study in studies(folder / "killed"):
        assert not leftovers(study)
    return facts


def test_killed_three_times(tmp_path):
    """Once in each third of the run."""
    campaign("kob_andersen_relaxation", 3, tmp_path, None, seed=1)


@pytest.mark.validate
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_killed_ten_times(name, tmp_path, request, figures):
    data = request.getfixturevalue("data") if name == "public_data" else None
    figures(**campaign(name, 10, tmp_path, data, seed=2))
