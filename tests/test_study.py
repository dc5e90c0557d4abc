"""Studies: keys, storing and loading, damage, status, and killing at any moment."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray
from glassgpu.experiments import labelled_liquids, watched_liquids
from killed_study import contents, leftovers
from sklearn.linear_model import Ridge

import glassgpu as gg
from glassgpu.compile import source_key
from glassgpu.engines.checkpoint import load, save
from glassgpu.engines.isoconfigurational import make_ensemble
from glassgpu.errors import CheckpointMismatch, FileFormatError, InvalidInput, OutputNotWritable, StudyBusy
from glassgpu.study.keys import describe, stage_key
from glassgpu.study.status import stage_status, status_table


@dataclass(frozen=True)
class Options:
    temperature: float = 0.6
    seed: int = 1


def key(**inputs) -> str:
    return stage_key("stage", 1, {name: describe(value, name) for name, value in inputs.items()})


def numbers(n, seed):
    return {"x": np.random.default_rng(seed).normal(size=n), "n": n}


def total(numbers, factor):
    return {"total": factor * numbers["x"].sum()}


# ---------------------------------------------------------------- keys


def test_every_change_changes_the_key_and_the_order_of_keywords_does_not(lattice, tmp_path):
    x = np.arange(6.0)
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a").write_text("2")
    labelled = xarray.DataArray(x, dims="t", coords={"t": x})
    different = [
        None, 0, 1, 1.0, True, 0.1, 0.1 + 1e-17 * 2, "1", "", float("nan"), [], [1], [[1]], [1, 2], [2, 1], {}, {"a": 1}, {"a": 2}, {"b": 1},
        {"mapping": {"a": 1}}, x, x.astype("f4"), x.view("i8"), x.reshape(2, 3), x[::2], x + 1e-16 * np.r_[1, 0, 0, 0, 0, 0], np.array("a"), np.array(1.0),
        tmp_path / "a", tmp_path / "b", tmp_path / "c" / "a",
        labelled, labelled.rename("x"), labelled.assign_coords(t=x + 1), labelled.to_dataset(name="x"),
        Options(), Options(seed=2), gg.systems.kob_andersen(n=200), gg.systems.kob_andersen(n=201), gg.systems.kob_andersen(n=200, cutoff="per_pair"),
        lattice(5, 6.0), lattice(5, 6.0, seed=1), gg.descriptors.ShellExpansion(), gg.descriptors.ShellExpansion(generations=2), Ridge(), Ridge(alpha=2),
    ]  # fmt: skip
    same = [(0.1, 0.1 + 1e-18), (x, np.asfortranarray(x)), (x[::2], x[::2].copy()), ((1, 2), [1, 2]), (np.float64(0.1), 0.1)]
    same += [(np.int32(1), 1), (np.str_("1"), "1"), (lattice(5, 6.0), lattice(5, 6.0)), (Ridge(), Ridge())]
    same += [({"a": 1, "b": 2}, {"b": 2, "a": 1}), (tmp_path / "a", Path(os.path.relpath(tmp_path / "a")))]
    assert 0.1 + 1e-17 * 2 != 0.1
    keys = [key(value=value) for value in different]
    assert len(set(keys)) == len(keys)
    for a, b in same:
        assert key(value=a) == key(value=b)
    assert key(a=1, b=2) == key(b=2, a=1) != key(a=2, b=1)
    assert len({stage_key("a", 1, {}), stage_key("b", 1, {}), stage_key("a", 2, {})}) == 3


@pytest.mark.parametrize(
    "value", [object(), print, Options, {1, 2}, np.array([object()]), np.ma.masked_array([1.0]), {1: 2}, 1j, [object()]]
)
def test_what_has_no_content_has_no_key(value):
    with pytest.raises(InvalidInput, match="value"):
        describe(value, "value")


def test_a_key_is_the_same_in_another_process():
    """Nothing that a process makes up (addresses, hash seeds) enters."""
    command = (
        "from glassgpu.study.keys import describe, stage_key; import numpy as np; "
        "print(stage_key('a', 1, {'v': describe({'x': np.arange(3), 'y': ['b', 0.1]}, 'v')}))"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert done.stdout.strip() == stage_key("a", 1, {"v": describe({"y": ["b", 0.1], "x": np.arange(3)}, "v")})


def test_files_that_are_missing(tmp_path):
    with pytest.raises(FileFormatError, match="absent"):
        describe(tmp_path / "absent", "value")


# ---------------------------------------------------------------- running and loading


def test_what_exists_is_loaded(tmp_path, capsys):
    calls = []

    def counted(function, **inputs):
        calls.append(function.__name__)
        return function(**inputs)

    def run(seed=1, factor=2.0, version=1):
        study = gg.Study(tmp_path, Options(), stages=("numbers", "total", "more"))
        a = study.stage("numbers", functools.partial(counted, numbers), n=5, seed=seed)
        return study, a, study.stage("total", functools.partial(counted, total), version=version, factor=factor, numbers=a)

    study, a, b = run()
    assert calls == ["numbers", "total"]
    assert b["total"] == 2 * np.random.default_rng(1).normal(size=5).sum()
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and all("ran in" in line for line in said)
    _, again, b_again = run()
    assert calls == ["numbers", "total"]
    assert all("done before" in line for line in capsys.readouterr().out.splitlines())
    assert (again["x"] == a["x"]).all() and again["n"] == 5 and dict(b_again) == dict(b)
    run(factor=3.0)
    assert calls[2:] == ["total"]
    run(version=2)
    assert calls[3:] == ["total"]
    run(seed=2)
    assert calls[4:] == ["numbers", "total"]  # another input stage is another key
    run()
    assert len(calls) == 6  # the results of the first parameters are still there
    facts = study.provenance()
    assert facts["options"] == {"temperature": 0.6, "seed": 1}
    assert facts["seconds"].keys() == {"numbers", "total"}
    assert facts["kernels"] == source_key()
    provenance = a.record["provenance"]
    assert provenance["glassgpu"] == gg.__version__ and re.match(r"\d{4}-\d\d-\d\d ", provenance["date"])
    assert a.record["parameters"] == {"n": 5, "seed": 1}


def test_everything_a_stage_may_return_comes_back(tmp_path, lattice):
    snapshot = lattice(4, 5.0)
    ensemble = make_ensemble(
        [snapshot], False, np.array([1.0, 2.0]), np.ones((1, 2, 64)), np.ones((1, 2, 64)), ("A", "B"), {"seed": 1, "dt": 0.005}
    )
    dataset = xarray.Dataset({"a": ("t", [1.0, 2.0]), "b": (("t", "u"), np.ones((2, 3)))}, coords={"t": [0.5, 1.5]}, attrs={"unit": "tau"})
    given = {
        "file": np.arange(3, dtype=">i2"), "text": np.array(["a", "bc"]), "empty": np.zeros((0, 3)), "scalar": np.array(2.5), "flags": np.array([True]),
        "number": 0.1, "whole": 2**60, "nan": float("nan"), "none": None, "string": "é", "list": [1, [np.ones(2)]], "map": {"a": {"b": np.ones(1)}},
        "a/b": np.zeros(1), "single": np.float32(0.1), "snapshot": [snapshot], "ensemble": ensemble, "dataset": dataset,
    }  # fmt: skip
    found = gg.Study(tmp_path).stage("all", lambda: given)
    assert set(found) == set(given) and "absent" not in found
    for name in ("file", "text", "empty", "scalar", "flags", "a/b"):
        assert found[name].dtype == given[name].dtype and found[name].shape == given[name].shape
        assert (found[name] == given[name]).all()
    assert {n: found[n] for n in ("number", "whole", "none", "string")} == {"number": 0.1, "whole": 2**60, "none": None, "string": "é"}
    assert np.isnan(found["nan"]) and found["single"] == np.float32(0.1)
    assert (found["list"][1][0] == 1).all() and (found["map"]["a"]["b"] == 1).all()
    xarray.testing.assert_identical(found["dataset"], dataset)
    for name in ("propensity", "standard_error", "noise_ceiling"):
        xarray.testing.assert_identical(getattr(found["ensemble"], name), getattr(ensemble, name))
    assert found["ensemble"].attrs == ensemble.attrs and (found["ensemble"].times == [1, 2]).all()
    for s in (found["snapshot"][0], found["ensemble"].snapshot):
        assert (s.positions == snapshot.positions).all() and (s.types == snapshot.types).all() and not s.positions.flags.writeable
    with pytest.raises(InvalidInput, match="returned file"):
        found["absent"]


def test_bad_stages(tmp_path):
    study = gg.Study(tmp_path)
    for returned in (5, {"a": object()}, {"a": np.array([object()])}, {"a": np.ma.masked_array([1.0])}, {"a": {1: 2}}):
        with pytest.raises(InvalidInput, match=r"mapping of names|return a mapping"):
            study.stage("bad", lambda r=returned: r)
    with pytest.raises(InvalidInput, match="checkpoint"):
        study.stage("a", numbers, n=1, seed=1, checkpoint="here")
    for name in ("", "a/b", "../a", ".a", "a b", "a" * 81):
        with pytest.raises(InvalidInput, match="stage name"):
            study.stage(name, numbers, n=1, seed=1)
    with pytest.raises(InvalidInput, match="version"):
        study.stage("a", numbers, version=1.5, n=1, seed=1)
    with pytest.raises(InvalidInput, match="options"):
        gg.Study(tmp_path, options=5)
    assert not list((tmp_path / "stages").iterdir())


def test_a_checkpoint_is_handed_on_kept_and_forgotten(tmp_path):
    paths = []

    def stopped(checkpoint):
        paths.append(checkpoint)
        if not checkpoint.exists():
            checkpoint.write_text("half")
            raise KeyboardInterrupt
        return {"found": checkpoint.read_text()}

    with pytest.raises(KeyboardInterrupt):
        gg.Study(tmp_path).stage("long", stopped)
    assert [s.state for s in stage_status(tmp_path)] == ["in progress"]
    assert re.fullmatch(r"checkpoint \d+ s old", stage_status(tmp_path)[0].detail)
    result = gg.Study(tmp_path).stage("long", stopped)
    assert result["found"] == "half" and result.record["continued"] is True
    assert paths[0] == paths[1] and not paths[0].parent.exists()


@pytest.mark.parametrize("name", ["checkpoint.npz", "group-0.npz"])  # a stage may keep more than one
def test_a_checkpoint_of_other_kernels_is_begun_anew(tmp_path, name):
    def run(checkpoint, key):
        path = checkpoint.with_name(name)
        found = load(path, key())
        save(path, key(), {"x": np.ones(1)})
        if found is None and key() == "old":
            raise KeyboardInterrupt
        return {"continued": found is not None}

    for code in ("old", "new"):  # bound by partial, as something that is not an input
        stage = functools.partial(gg.Study(tmp_path).stage, "long", functools.partial(run, key=lambda code=code: code))
        if code == "old":
            with pytest.raises(KeyboardInterrupt):
                stage()
        else:
            assert stage()["continued"] is False

    def wrong(checkpoint):
        raise CheckpointMismatch("not the stage's own")

    with pytest.raises(CheckpointMismatch):
        gg.Study(tmp_path).stage("wrong", wrong)


def test_one_process_at_a_time(tmp_path):
    study = gg.Study(tmp_path)
    done = study.stage("numbers", numbers, n=3, seed=1)

    def inside():
        other = gg.Study(tmp_path)  # may look at what is done, but not run
        assert (other.stage("numbers", numbers, n=3, seed=1)["x"] == done["x"]).all()
        with pytest.raises(StudyBusy, match="at work"):
            other.stage("numbers", numbers, n=3, seed=2)
        return {}

    study.stage("outer", inside)
    study.stage("numbers", numbers, n=3, seed=2)


def test_a_folder_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputNotWritable, match="file"):
        gg.Study(blocked / "study")
    study = gg.Study(tmp_path / "study")
    (tmp_path / "study" / "work").write_text("")
    with pytest.raises(OutputNotWritable, match="work"):
        study.stage("numbers", numbers, n=3, seed=1)


def test_a_full_disk_keeps_nothing_half(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OutputNotWritable, match="No space left"):
            gg.Study(tmp_path).stage("numbers", numbers, n=3, seed=1)
    assert [s.state for s in stage_status(tmp_path)] == ["in progress"]
    assert gg.Study(tmp_path).stage("numbers", numbers, n=3, seed=1)["n"] == 3


@pytest.mark.parametrize("file", ["arrays.npz", "stage.json"])
def test_damage_is_named_or_harmless(tmp_path, file):
    """Whatever happens to a stored file, the result is the one stored or an error that says what to delete."""

    def run():
        return gg.Study(tmp_path).stage("numbers", numbers, n=20, seed=1)

    expected = dict(run())
    (path,) = tmp_path.glob(f"stages/*/{file}")
    sound = path.read_bytes()
    random = np.random.default_rng(3)
    damaged = [sound[:k] for k in (0, 1, 30, len(sound) // 2, len(sound) - 1)] + [b"{}", b"[]", b'{"format": 1, "values": 5}', None]
    damaged.append(sound.replace(b'"n": 20', b'"n": 21'))
    for _ in range(40):
        spoilt = bytearray(sound)
        spoilt[random.integers(len(sound))] ^= 1 << random.integers(8)
        damaged.append(bytes(spoilt))
    messages = []
    for data in damaged:
        path.unlink() if data is None else path.write_bytes(data)
        try:
            found = dict(run())
        except FileFormatError as error:
            messages.append(str(error))
        else:
            assert found.keys() == expected.keys() and found["n"] == 20 and (found["x"] == expected["x"]).all()
        path.write_bytes(sound)
    assert len(messages) >= 20
    assert all(str(path.parent) in message and "delete" in message for message in messages)
    path.write_bytes(sound[:30])
    if file == "stage.json":
        assert [s.state for s in stage_status(tmp_path)] == ["damaged"]
    for spoilt in path.parent.iterdir():
        spoilt.unlink()
    path.parent.rmdir()
    assert (run()["x"] == expected["x"]).all()


# ---------------------------------------------------------------- status


def test_status(tmp_path):
    study = gg.Study(tmp_path, stages=("numbers", "long", "last"))
    study.stage("numbers", numbers, n=1000, seed=1)
    study.stage("numbers", numbers, n=1000, seed=2)
    study.stage("unplanned", numbers, n=1, seed=2)

    def failing():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        study.stage("long", failing)
    rows = stage_status(tmp_path)
    assert [(s.name, s.state) for s in rows] == [
        ("numbers", "done"), ("numbers", "done"), ("long", "in progress"), ("last", "not begun"), ("unplanned", "done"),
    ]  # fmt: skip
    assert rows[0].bytes > 8000 and rows[0].seconds is not None and rows[0].key != rows[1].key
    assert rows[2].detail == "no checkpoint yet"
    done = subprocess.run([sys.executable, "-m", "glassgpu.cli.main", "status", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == status_table(tmp_path).strip()
    assert re.search(r"^numbers +[0-9a-f]{8} +done +0\.\d +[89]\.\d+ kB +\d{4}-", done.stdout, re.MULTILINE)
    none = subprocess.run([sys.executable, "-m", "glassgpu.cli.main", "status", str(tmp_path / "stages")], capture_output=True, text=True)
    assert none.returncode == 1 and none.stderr.startswith("glassgpu: InvalidInput") and "no study" in none.stderr
    for shared in (watched_liquids, labelled_liquids):  # what experiments that share them simulate first
        assert "--liquids, by default" in none.stderr and str(shared.Options().liquids) in none.stderr
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"study\.json"):
        stage_status(tmp_path)


# ---------------------------------------------------------------- kills


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "tests.small_study", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(folder: Path) -> None:
    _, errors = (process := start(folder)).communicate()
    assert process.returncode == 0, errors.decode()


def kill(process: subprocess.Popen) -> bool:
    """SIGKILL, and whether it came in time."""
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    finish(folder)
    return contents(folder), time.monotonic() - started


def test_killed_before_every_operation_on_files(tmp_path):
    done = subprocess.run([sys.executable, "-m", "tests.killed_study", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split("kills: ")[1]) >= 25


def test_killed_while_the_ensemble_runs(tmp_path, undisturbed):
    process = start(tmp_path)
    while process.poll() is None and not list(tmp_path.glob("work/ensemble-*/checkpoint.npz")):
        time.sleep(0.002)
    assert kill(process)
    assert [s.state for s in stage_status(tmp_path)] == ["done", "in progress", "not begun", "not begun"]
    process = start(tmp_path)
    time.sleep(np.random.default_rng(1).uniform(0.2, 1.0) * undisturbed[1])
    kill(process)
    finish(tmp_path)
    assert contents(tmp_path) == undisturbed[0]
    assert not leftovers(tmp_path)
    (record,) = tmp_path.glob("stages/ensemble-*/stage.json")
    assert '"continued": true' in record.read_text()


@pytest.mark.validate
def test_ten_kills_at_random(tmp_path, undisturbed, figures):
    random, kills, starts = np.random.default_rng(2), 0, 0
    for campaign in range(20):
        folder = tmp_path / str(campaign)
        while not list(folder.glob("stages/fit-*")):
            process = start(folder)
            starts += 1
            try:
                process.communicate(timeout=random.uniform(0.1, 1.2) * undisturbed[1])
            except subprocess.TimeoutExpired:
                kills += kill(process)
        finish(folder)
        assert contents(folder) == undisturbed[0]
        assert not leftovers(folder)
        if kills >= 10:
            break
    figures(kills=kills, starts=starts, studies=campaign + 1)
    assert kills >= 10
