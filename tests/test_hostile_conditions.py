"""Clocks that jump, two writers of one thing, what killed processes leave behind, folders that move, files of other versions."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hostile_places
import numpy as np
import pytest
import tqdm.std
from hostile_places import Writers, leftovers, seen
from killed_study import contents

import glassgpu as gg
from glassgpu.engines import checkpoint, quench_run, runs
from glassgpu.engines.parts import folder_of_parts
from glassgpu.errors import CheckpointMismatch, Interrupted, OutputBusy, StudyBusy
from glassgpu.io import columns as io_columns
from glassgpu.locks import alone, published
from glassgpu.models import stored, training
from glassgpu.report.page import Page
from glassgpu.study.status import stage_status, status_table

CONTINUED = ("run", "frames", "quench", "training", "columns", "sums")  # what a stopped call goes on with
LONG = 3600.0


@pytest.fixture(scope="module")
def writers():
    return Writers()


@pytest.fixture(scope="module")
def undisturbed(writers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return {name: getattr(writers, name)(folder, nothing) for name in (*CONTINUED, "study")}


@pytest.fixture
def often(monkeypatch):
    """Checkpoints at every opportunity."""
    for module in (runs, quench_run):
        monkeypatch.setattr(module, "SECONDS_PER_CHECKPOINT", 0.0)
    for module in (training, stored):
        monkeypatch.setattr(module, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(io_columns, "BLOCK_BYTES", 1)


def nothing() -> None:
    pass


def stop() -> None:
    raise KeyboardInterrupt


# ---------------------------------------------------------------- clocks


@pytest.fixture(params=["back", "forth and back"])
def jumping(request, monkeypatch):
    """The wall clock jumps by hours whenever somebody looks at it."""
    count, begin, strftime = itertools.count(1), time.time(), time.strftime

    def now() -> float:
        k = next(count)
        return begin - LONG * k if request.param == "back" else begin + LONG * k * (-1) ** k

    monkeypatch.setattr(time, "time", now)
    monkeypatch.setattr(time, "strftime", lambda form, *when: strftime(form, *when or (time.localtime(now()),)))
    monkeypatch.setattr(tqdm.std, "time", now)
    return count


@pytest.mark.parametrize("name", ["run", "quench", "training", "sums"])
def test_checkpoints_are_written_whatever_the_clock_says(name, writers, undisturbed, jumping, often, tmp_path, monkeypatch):
    saved, save = [], checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *given: (saved.append(given[0]), save(*given)))
    assert getattr(writers, name)(tmp_path, nothing) == undisturbed[name]
    assert len(saved) >= 3


def test_bars_outlive_a_clock_that_jumps(writers, undisturbed, jumping, tmp_path, capsys):
    found = gg.simulate.md(
        writers.system, writers.liquids[0], temperature=1.0, times=[0.2, 0.4], keep_positions=True, replicas=2, seed=2, batch=1, chunk=8,
        backend="cpu", progress=True,
    )  # fmt: skip
    assert [found.positions.tobytes()] == undisturbed["run"]
    assert next(jumping) > 20  # it was looked at
    assert "nan" not in capsys.readouterr().err


def test_a_study_under_a_clock_that_jumps(writers, undisturbed, jumping, tmp_path):
    assert writers.study(tmp_path, nothing) == undisturbed["study"] == writers.study(tmp_path, nothing)
    study = gg.Study(tmp_path / "study")

    def stopped(checkpoint: Path) -> dict:
        checkpoint.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.stage("third", stopped)
    (file,) = (tmp_path / "study").glob("work/third-*/checkpoint.npz")
    for age in (-1e6, 1e6):
        os.utime(file, (file.stat().st_atime, file.stat().st_mtime - age))
        assert "third" in status_table(tmp_path / "study")
    assert all(s.seconds is None or 0 <= s.seconds < 60 for s in stage_status(tmp_path / "study"))
    assert study.stage("third", lambda checkpoint: {"found": checkpoint.read_text()})["found"] == "half"


def test_nothing_asks_the_wall_clock():
    """But for dates in provenance, and the age of a checkpoint that ``glassgpu status`` tells."""
    root = Path(gg.__file__).parent
    files = [*root.rglob("*.py"), *(root.parent / "experiments").glob("*.py")]
    asking = {p.name for p in files if re.search(r"\btime\.time(_ns)?\(|\bdatetime\b|\bfrom time import", p.read_text())}
    assert len(files) > 100 and asking == {"status.py"}


# ---------------------------------------------------------------- two at once


@pytest.mark.parametrize("name", ["run", "frames_alone", "quench", "training", "columns", "sums"])
def test_two_writers_of_one_file(name, writers, undisturbed, often, tmp_path):
    """The second is told; the first does not notice."""
    write, told = getattr(writers, name), []

    def second() -> None:
        with pytest.raises(OutputBusy, match=r"is writing to .*; wait for it, or choose another name") as raised:
            write(tmp_path, nothing)
        told.append(raised)

    expected = undisturbed[name.removesuffix("_alone")]
    assert write(tmp_path, second) == expected
    assert len(told) == 1
    assert write(tmp_path, nothing) == expected  # once the first has ended
    assert not leftovers(tmp_path)


def test_another_run_does_not_take_the_checkpoint(writers, often, tmp_path):
    """Not even before the first has written one."""
    system, start, path = writers.system, writers.liquids[0], tmp_path / "run.npz"

    def other(done: float) -> None:
        path.unlink(missing_ok=True)
        with pytest.raises(OutputBusy):
            gg.simulate.md(system, start, temperature=0.7, duration=0.1, seed=9, checkpoint=path, **writers.quiet)

    gg.simulate.md(system, start, temperature=1.0, duration=0.1, seed=2, checkpoint=path, chunk=10, backend="cpu", progress=other)
    with pytest.raises(CheckpointMismatch, match=r"temperature was 1\.0 and is now 0\.7"):
        gg.simulate.md(system, start, temperature=0.7, duration=0.1, seed=2, checkpoint=path, **writers.quiet)


def test_parts_of_a_run_write_side_by_side(writers, undisturbed, often, tmp_path):
    """Workers do not wait for each other; another run is told while they are at work."""
    told = []

    def another(done: float) -> None:
        with pytest.raises(OutputBusy):
            writers.frames(tmp_path, nothing)
        told.append(done)

    with ThreadPoolExecutor(2) as workers:
        gg.simulate.md(
            writers.system, writers.liquids[0], temperature=1.0, duration=0.8, replicas=2, seed=2, batch=1, chunk=40, hops=hostile_places.HOPS,
            frames=tmp_path / "frames.zarr", checkpoint=tmp_path / "frames.npz", backend="cpu", progress=another, executor=workers,
        )  # fmt: skip
    assert told
    assert writers.frames(tmp_path, nothing) == undisturbed["frames"]
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("call", ["quench", "md"])
def test_parts_that_somebody_still_works_at(writers, call, tmp_path):
    """Jobs of a call that was killed go on, and write what those of the same call do now."""
    how = {"temperature": 1.0, "duration": 0.1, "seed": 3} if call == "md" else {}
    path = tmp_path / "run.npz"
    with ThreadPoolExecutor(2) as workers, contextlib.ExitStack() as orphans:
        for first in range(4):
            part = folder_of_parts(path) / f"{first}-{first + 1}.npz"
            part.parent.mkdir(exist_ok=True)
            orphans.enter_context(alone(part))
        getattr(gg.simulate, call)(writers.system, writers.liquids, **how, executor=workers, batch=1, checkpoint=path, **writers.quiet)
    assert path.exists() and not folder_of_parts(path).exists()


HOLDS = """
import sys, time
from pathlib import Path
import glassgpu as gg
folder = Path(sys.argv[1])
def waits():
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return {"x": 1}
study = gg.Study(folder / "study", stages=("done", "held"))
study.stage("done", lambda: {"x": 0})
study.stage("held", waits)
"""


def test_two_studies_in_one_folder(tmp_path):
    folder = tmp_path / "study"
    first = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while not (tmp_path / "begun").exists():
            assert first.poll() is None
            time.sleep(0.01)
        second = gg.Study(folder, stages=("done", "held"))
        assert second.stage("done", lambda: 1 / 0)["x"] == 0
        for name in ("held", "another"):
            with pytest.raises(StudyBusy, match=re.escape(f"at work in {folder}; wait for it or choose another folder")):
                second.stage(name, lambda: 1 / 0)
        assert [s.state for s in stage_status(folder)] == ["done", "in progress"]
    finally:
        (tmp_path / "go").touch()
        errors = first.communicate()[1]
    assert first.returncode == 0, errors
    assert second.stage("held", lambda: 1 / 0)["x"] == 1
    assert second.stage("another", lambda: {"x": 2})["x"] == 2
    assert not leftovers(folder)


def test_a_study_that_begins_leaves_what_another_is_writing(tmp_path):
    """And removes what nobody is."""
    gg.Study(tmp_path)
    stale = tmp_path / ".report.html.1.part"
    stale.write_text("half")
    with published(tmp_path / "report.html") as file:
        file.write(b"whole")
        gg.Study(tmp_path)
        assert not stale.exists()
    assert (tmp_path / "report.html").read_bytes() == b"whole" and not leftovers(tmp_path)


# ---------------------------------------------------------------- what was left behind


def test_a_report_is_whole_or_the_one_before(tmp_path, monkeypatch):
    def write(note: str) -> None:
        page = Page("Report", tmp_path)
        page.numbers = {"note": note}
        page.write({})

    def killed(source, target) -> None:
        if Path(target).name == when:
            raise KeyboardInterrupt
        replace(source, target)

    replace = os.replace
    monkeypatch.setattr(os, "replace", killed)
    when = ""
    write("first")
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    when = "numbers.json"
    with pytest.raises(KeyboardInterrupt):
        write("second")
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_leftovers_go_and_other_peoples_files_stay(writers, undisturbed, often, tmp_path):
    ours = [tmp_path / f".run.npz.{k}.part" for k in (1, 999999)] + [tmp_path / ".run.npz.7.probe", tmp_path / ".run.npz.lock"]
    theirs = [tmp_path / ".other.npz.1.part", tmp_path / "run.npz.part", tmp_path / ".lock"]
    for path in (*ours, *theirs):
        path.write_bytes(b"half")
    assert writers.run(tmp_path, nothing) == undisturbed["run"]
    assert not any(path.exists() for path in ours) and all(path.read_bytes() == b"half" for path in theirs)


def test_a_stage_removes_what_was_left_in_its_folders(tmp_path):
    """Of a process that was killed while it wrote a store."""

    def writing(checkpoint: Path, folder: Path) -> dict:
        if not (folder / "store").exists():
            (folder / "store" / "c").mkdir(parents=True)
            (folder / "store" / "c" / "0").touch()
            for stale in (
                folder / "store" / "c" / "1.0a.partial",
                folder / ".store.lock",
                checkpoint.with_name(f".{checkpoint.name}.3.part"),
            ):
                stale.touch()
            (folder / ".glassgpu-x").mkdir()
            raise KeyboardInterrupt
        return {"found": sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))}

    with pytest.raises(KeyboardInterrupt):
        gg.Study(tmp_path).stage("writes", writing)
    assert gg.Study(tmp_path).stage("writes", writing)["found"] == ["store", "store/c", "store/c/0"]
    assert not leftovers(tmp_path)


def test_killed_just_before_a_result_appears(tmp_path, monkeypatch):
    """What a stage wrote itself, days of runs perhaps, is not lost with it."""
    rename, written = os.rename, []

    def writing(folder: Path) -> dict:
        if not (folder / "frames").exists():
            written.append(True)
            (folder / "frames").write_text("days")
        return {"x": 1}

    def killed(source, target) -> None:
        if Path(target).parent.name == "stages":
            raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            gg.Study(tmp_path).stage("writes", writing)
    result = gg.Study(tmp_path).stage("writes", writing)
    assert (result.folder / "frames").read_text() == "days" and len(written) == 1
    assert not leftovers(tmp_path)


# ---------------------------------------------------------------- other places, other versions


@pytest.mark.parametrize("name", CONTINUED)
def test_a_folder_that_moves(name, writers, undisturbed, often, tmp_path):
    """Stopped here, continued there."""
    (tmp_path / "here").mkdir()
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        getattr(writers, name)(tmp_path / "here", stop)
    shutil.move(tmp_path / "here", tmp_path / "there")
    seen.clear()
    assert getattr(writers, name)(tmp_path / "there", nothing) == undisturbed[name]
    assert seen[0] >= 0.4


def test_a_study_that_moves(tmp_path):
    def summed(first: gg.study.Result, checkpoint: Path) -> dict:
        if not checkpoint.exists():
            checkpoint.write_text("half")
            raise KeyboardInterrupt
        return {"x": first["x"].sum(), "found": checkpoint.read_text()}

    def run(folder: Path) -> dict:
        study = gg.Study(folder, stages=("first", "summed"))
        return dict(study.stage("summed", summed, first=study.stage("first", lambda: {"x": np.arange(5)})))

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "here")
    before = contents(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert run(tmp_path / "there") == {"x": 10, "found": "half"}
    assert contents(tmp_path / "here") == before


@pytest.mark.parametrize("name", CONTINUED)
def test_what_another_version_wrote(name, writers, often, tmp_path, monkeypatch):
    """Is named, and left as it was."""
    with monkeypatch.context() as patch:
        for module in ("engines.runs", "engines.quench_run", "models.training", "io.columns"):
            patch.setattr(importlib.import_module(f"glassgpu.{module}"), "__version__", "0.0.1")
        with pytest.raises((Interrupted, KeyboardInterrupt)):
            getattr(writers, name)(tmp_path, stop)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(CheckpointMismatch, match=r"version.*(delete it|remove it|another name)"):
        getattr(writers, name)(tmp_path, nothing)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_locks_end_with_their_process(tmp_path):
    path = tmp_path / "run.npz"
    code = (
        "import os, sys; from pathlib import Path; from glassgpu.locks import alone\nwith alone(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -9
    assert (tmp_path / ".run.npz.lock").exists()
    with alone(path), pytest.raises(OutputBusy), alone(path):
        pass
    assert not list(tmp_path.iterdir())
