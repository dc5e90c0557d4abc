"""Fits of columns that are never in memory together (glassgpu/models/stored.py)."""

from __future__ import annotations

import functools
import json
import operator
import subprocess
import sys

import numpy as np
import pytest
from in_this_process import InThisProcess

import glassgpu as gg
from glassgpu.errors import CheckpointMismatch, FileFormatError, Interrupted, InvalidInput
from glassgpu.executors import Processes
from glassgpu.models import Moments, Ridge, moments_of_columns, stored

ALPHAS = [1e-3, 0.1, 10.0]


@pytest.fixture
def data():
    """Columns of 7 configurations of 50 particles, nearly parallel and far from zero, and two targets."""
    random = np.random.default_rng(0)
    x = random.normal(size=(7, 50, 6)) * np.geomspace(1e-3, 1e3, 6) + 1e4
    x[..., 5] = x[..., 4] + 1e-3 * random.normal(size=(7, 50))
    y = np.stack([x @ random.normal(size=6), random.normal(size=(7, 50))], axis=-1)
    return x, y, random.random(50) < 0.7


def total(parts):
    return functools.reduce(operator.add, parts)


@pytest.mark.parametrize("parts", [None, 1, 3])
def test_equals_a_fit_in_memory(data, parts):
    x, y, mine = data
    found = moments_of_columns(x, y, rows=mine, parts=parts, progress=False)
    assert len(found) == (parts or 7) and sum(p.count for p in found) == 7 * mine.sum()
    weights, intercepts = total(found).ridge_path(ALPHAS)
    rows, targets = x[:, mine].reshape(-1, 6), y[:, mine].reshape(-1, 2)
    centred, mean = rows - rows.mean(axis=0), targets.mean(axis=0)
    for alpha, w, b in zip(ALPHAS, weights, intercepts, strict=True):
        slow = np.linalg.solve(centred.T @ centred / len(rows) + alpha * np.eye(6), centred.T @ (targets - mean) / len(rows))
        assert np.allclose(w, slow, rtol=1e-6, atol=1e-6 * np.abs(slow).max())
        assert np.allclose(w, np.stack([Ridge(alpha=alpha).fit(rows, t).coef_ for t in targets.T], axis=1), rtol=1e-6)
        assert np.allclose(b, mean - rows.mean(axis=0) @ w, rtol=1e-6)


def test_pieces_are_free(data, monkeypatch):
    x, y, mine = data
    plain = moments_of_columns(x, y, rows=mine, progress=False)
    monkeypatch.setattr(stored, "ROWS", 11)
    cut = moments_of_columns(x, y, rows=mine, progress=False)
    for a, b in zip(plain, cut, strict=True):
        assert np.allclose(a.scatter, b.scatter, rtol=1e-9, atol=1e-9 * np.abs(a.scatter).max()) and np.allclose(a.mean, b.mean)
    long = moments_of_columns(x.reshape(-1, 6), y.reshape(-1, 2), rows=np.tile(mine, 7), parts=7, progress=False)
    for a, b in zip(plain, long, strict=True):
        assert a.count == b.count and np.allclose(a.mean, b.mean, rtol=1e-12)


def test_pearson_without_rows(data):
    x, y, _ = data
    train, test = Moments.of(x[0], y[0]), Moments.of(x[1], y[1])
    weights, _ = train.ridge_path(ALPHAS)
    slow = [[np.corrcoef(x[1] @ w[:, t], y[1][:, t])[0, 1] for t in (0, 1)] for w in weights]
    assert np.allclose(test.pearson(weights), slow, atol=1e-6)
    assert np.isnan(test.pearson(np.zeros((6, 2)))).all()
    with pytest.raises(InvalidInput, match="weights"):
        test.pearson(np.zeros((5, 2)))
    constant = Moments.of(x[1], np.full(50, 0.1))  # whose mean is not quite 0.1
    assert np.isnan(constant.pearson(np.ones((6, 1)))).all()


SNAPSHOTS = [gg.systems.kob_andersen(n=700).random_snapshot(seed=k) for k in range(3)]
DESCRIBE = gg.descriptors.ShellExpansion(radial=[(0.9, 2.0, 12, 0.1)], angular=(0.9, 2.0, 4, 0.1))


@pytest.fixture
def described(tmp_path):
    """A store, and a target."""
    return gg.io.write_columns(tmp_path / "x", DESCRIBE, SNAPSHOTS, progress=False), np.random.default_rng(0).normal(size=(3, 700))


def damage(path):
    """One chunk, of configuration 1."""
    chunk = next(file for file in (path / "ShellExpansion" / "c" / "1").rglob("0") if file.is_file())
    damaged = bytearray(chunk.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    chunk.write_bytes(damaged)
    return chunk


def test_a_store_and_workers(described):
    path, y = described
    here = moments_of_columns(path, y, progress=False)
    in_memory = moments_of_columns(DESCRIBE(SNAPSHOTS), y, progress=False)
    with Processes(2) as workers:
        there = moments_of_columns(path, y, progress=False, executor=workers)
    for a, b, c in zip(here, there, in_memory, strict=True):
        for name in ("mean", "scatter", "low", "high"):
            assert np.array_equal(getattr(a, name), getattr(b, name)) and np.array_equal(getattr(a, name), getattr(c, name))
    chunk = damage(path)
    with pytest.raises(FileFormatError, match="columns 1 to 1 cannot be read"):
        moments_of_columns(path, y, progress=False)
    chunk.unlink()
    with pytest.raises(FileFormatError, match="1 configurations are not done, the first is 1"):
        moments_of_columns(path, y, progress=False)


def test_continues(described, monkeypatch, tmp_path):
    """Parts that were done are not read again, whoever does the rest; a damaged part loses none of the others."""
    path, y = described
    plain = moments_of_columns(path, y, progress=False)

    def stop(done):
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"stopped after 2 of 3 parts; give checkpoint= to keep them"):
        moments_of_columns(path, y, progress=stop)
    with pytest.raises(Interrupted, match=r"stopped after 2 of 3 parts; the same call continues from .*sums\.npz"):
        moments_of_columns(path, y, checkpoint=tmp_path / "sums.npz", progress=stop)
    read = []
    whole = stored._read
    monkeypatch.setattr(stored, "_read", lambda array, at: (read.append(at[0].start), whole(array, at))[1])
    for expected in ([2], []):
        read.clear()
        found = moments_of_columns(path, y, checkpoint=tmp_path / "sums.npz", progress=False)
        assert read == expected
        assert all(np.array_equal(getattr(a, n), getattr(b, n)) for a, b in zip(plain, found, strict=True) for n in stored.FIELDS)
    with pytest.raises(CheckpointMismatch, match="y differ"):
        moments_of_columns(path, y + 1, checkpoint=tmp_path / "sums.npz", progress=False)
    with pytest.raises(Interrupted, match=r"stopped after 2 of 3 parts; columns in a store of io\.write_columns can be kept"):
        moments_of_columns(np.ones((3, 700, 4)), y, progress=stop)
    with pytest.raises(InvalidInput, match="checkpoint= is for columns given as the path of a store"):
        moments_of_columns(np.zeros((3, 700, 4)), y, checkpoint=tmp_path / "sums.npz", progress=False)
    damage(path)
    with pytest.raises(FileFormatError, match="columns 1 to 1 cannot be read"):
        moments_of_columns(path, y, checkpoint=tmp_path / "other.npz", progress=False)
    assert np.load(tmp_path / "other.npz")["part"].tolist() == [0]
    with pytest.raises(FileFormatError, match="columns 1 to 1 cannot be read"):
        moments_of_columns(path, y, checkpoint=tmp_path / "other.npz", progress=False, executor=InThisProcess())
    assert sorted(np.load(tmp_path / "other.npz")["part"].tolist()) == [0, 2]  # what came with the damaged one is kept, too
    other = gg.io.write_columns(tmp_path / "z", gg.descriptors.ShellExpansion(radial=[(0.9, 2.0, 12, 0.2)]), SNAPSHOTS, progress=False)
    with pytest.raises(CheckpointMismatch, match="columns differ"):
        moments_of_columns(other, y, checkpoint=tmp_path / "sums.npz", progress=False)


def test_a_store_that_lies(described):
    path, y = described
    for wrong in (
        {"glassgpu_variables": 3},
        {"glassgpu_variables": ["a", "b"]},
        {"glassgpu_variables": ["snapshot", "feature", "feature"]},
    ):
        file = path / "zarr.json"
        metadata = json.loads(file.read_text())
        metadata["attributes"] |= wrong
        file.write_text(json.dumps(metadata))
        with pytest.raises(FileFormatError, match="is damaged"):
            moments_of_columns(path, y, progress=False)


def test_bad_input(data, tmp_path):
    x, y, mine = data
    with pytest.raises(FileFormatError, match=r"no columns that glassgpu\.io\.write_columns wrote"):
        moments_of_columns(tmp_path / "nothing", y)
    for wrong, message in (
        ({"y": y[:3]}, "y"),
        ({"rows": mine.astype(int)}, "rows has dtype int64"),
        ({"rows": mine[:4]}, "rows has dtype bool and shape"),
        ({"rows": np.zeros(50, bool)}, "part 0 has no rows"),
        ({"parts": 8}, "parts"),
        ({"columns": x[0, 0]}, r"columns has shape \(6,\)"),
        ({"columns": np.where(np.arange(6) == 2, np.nan, x)}, r"columns \[2\] of \[X, Y\] hold NaN"),
    ):
        with pytest.raises(InvalidInput, match=message):
            moments_of_columns(**{"columns": x, "y": y, "progress": False, **wrong})


LARGE = """
import json, resource, sys
import numpy as np
from glassgpu.models import moments_of_columns
folder, most = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
import zarr, functools, operator
x = zarr.open_array(folder + "/x", mode="r")
y = np.load(folder + "/y.npy")
parts = moments_of_columns(x, y, parts=20, progress=False)
weights, intercepts = functools.reduce(operator.add, parts).ridge_path([1e-4, 1e-2, 1.0])
np.savez(folder + "/found.npz", weights=weights, intercepts=intercepts)
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss is the parent's, too
print(json.dumps({"peak": int(peak) * 1024}))
"""


@pytest.mark.parametrize(
    ("rows", "features", "most"), [(200_000, 40, 2 << 30), pytest.param(10_000_000, 276, 4 << 30, marks=pytest.mark.validate)]
)
def test_a_large_data_set(tmp_path, rows, features, most):
    """Within 4 GiB, of 11 GB on disk; against sums of rows that are all in memory, in blocks of another size, and a plain solution."""
    import zarr

    random = np.random.default_rng(1)
    block = rows // 20
    x = zarr.create_array(tmp_path / "x", shape=(rows, features), chunks=(block // 10, features), dtype="f4", compressors=None)
    memory = np.empty((rows, features), np.float32)
    mixing = np.eye(features) + 0.5 * random.normal(size=(features, features)) / np.sqrt(features)
    truth, y = random.normal(size=features), np.empty(rows)
    for first in range(0, rows, block):
        values = random.standard_normal((block, features)) @ mixing + 10
        memory[first : first + block] = values
        x[first : first + block] = memory[first : first + block]
        y[first : first + block] = values @ truth + random.standard_normal(block)
    np.save(tmp_path / "y.npy", y)
    done = subprocess.run([sys.executable, "-c", LARGE, str(tmp_path), str(most)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["peak"] < most
    mean = memory.mean(axis=0, dtype=np.float64)
    gram, product = np.zeros((features, features)), np.zeros(features)
    for first in range(0, rows, 77_777):
        piece = memory[first : first + 77_777] - mean
        gram += piece.T @ piece
        product += piece.T @ (y[first : first + 77_777] - y.mean())
    with np.load(tmp_path / "found.npz") as found:
        for alpha, weights, intercept in zip([1e-4, 1e-2, 1.0], found["weights"], found["intercepts"], strict=True):
            slow = np.linalg.solve(gram / rows + alpha * np.eye(features), product / rows)
            assert np.allclose(weights[:, 0], slow, rtol=0, atol=1e-9 * np.abs(slow).max())
            assert intercept[0] == pytest.approx(y.mean() - mean @ slow, abs=1e-7)
    print("peak", json.loads(done.stdout)["peak"] / 2**30, "GiB")
