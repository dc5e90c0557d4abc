"""Readers of public data, and files that must not be trusted."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.io.pickles import load_pickle


def botan_file(path, n=100, **changes):
    random = np.random.default_rng(0)
    side = (n / 1.2) ** (1 / 3)
    start = random.uniform(0, side, (n, 3))
    arrays = {
        "types": (np.arange(n) % 5 == 0).astype(np.int8),
        "initial_positions": start,
        "positions": start + random.normal(0, 0.1, (4, n, 3)),
        **changes,
    }
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_botan_in_small(tmp_path):
    path = botan_file(tmp_path / "isoconfig_N4096T0.44_9_tc07.npz")
    ensemble = gg.io.read_botan(path)
    raw = np.load(path)
    moved = raw["positions"] - raw["initial_positions"]
    moved -= moved.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(ensemble.propensity.values[0], np.linalg.norm(moved, axis=-1).mean(axis=0))
    assert ensemble.times.tolist() == [13000.0]
    assert ensemble.snapshot.box[0] == pytest.approx((100 / 1.2) ** (1 / 3), rel=1e-15)
    both = gg.io.read_botan([path, path])
    assert both.propensity.dims == ("configuration", "time", "particle")


def test_truncated_npz(tmp_path):
    path = botan_file(tmp_path / "isoconfig_N4096T0.44_9_tc07.npz")
    whole = path.read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:cut])
        with pytest.raises(gg.errors.FileFormatError, match="truncated"):
            gg.io.read_botan(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": None}, "lacks"),
        ({"initial_positions": np.full((100, 3), np.nan)}, "NaN"),
        ({"positions": np.full((4, 100, 3), np.inf)}, "NaN"),
        ({"positions": np.zeros((4, 99, 3))}, r"positions has shape \(4, 99, 3\)"),
        ({"types": -np.ones(100, np.int8)}, "numbered from 0"),
    ],
)
def test_bad_botan_files(tmp_path, changes, message):
    with pytest.raises(gg.errors.FileFormatError, match=message):
        gg.io.read_botan(botan_file(tmp_path / "isoconfig_N4096T0.44_9_tc07.npz", **changes))


def test_unknown_time_code(tmp_path):
    path = botan_file(tmp_path / "isoconfig_N4096T0.44_9_tc03.npz")
    with pytest.raises(gg.errors.FileFormatError, match="give time="):
        gg.io.read_botan(path)
    assert gg.io.read_botan(path, time=5.0).times.tolist() == [5.0]


@pytest.mark.parametrize("read", [gg.io.read_botan, gg.io.read_bapst])
@pytest.mark.parametrize("path", [[], None, 5, ["a", None]])
def test_no_file_name(read, path):
    with pytest.raises(gg.errors.InvalidInput, match="give a file name, or a list of at least one"):
        read(path)


def test_the_other_format_is_named(tmp_path):
    pickled, array = tmp_path / "a.pickle", tmp_path / "a.npy"
    pickled.write_bytes(pickle.dumps({"positions": np.zeros((3, 3))}))
    np.save(array, np.zeros(3))
    for path in (pickled, array):
        with pytest.raises(gg.errors.FileFormatError, match="not an npz file; glassgpu"):
            gg.io.read_botan(path)
    with pytest.raises(gg.errors.FileFormatError, match="is an npz file, not a pickle; read_botan reads"):
        gg.io.read_bapst(botan_file(tmp_path / "isoconfig_N4096T0.44_9_tc07.npz"))


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('this pickle ran code')",))


def test_a_forbidden_pickle_is_not_run(tmp_path):
    path = tmp_path / "evil.pickle"
    path.write_bytes(pickle.dumps({"positions": np.zeros((3, 3)), "box": Evil()}))
    with pytest.raises(gg.errors.ForbiddenPickle, match="exec"):
        gg.io.read_bapst(path)
    path.write_bytes(pickle.dumps({"positions": np.zeros((3, 3))})[:-20])
    with pytest.raises(gg.errors.FileFormatError, match="complete pickle"):
        gg.io.read_bapst(path)
    path.write_bytes(pickle.dumps({"positions": np.zeros((3, 3))}))
    with pytest.raises(gg.errors.FileFormatError, match="expected a dictionary"):
        gg.io.read_bapst(path)
    with pytest.raises(gg.errors.FileFormatError, match="cannot be read"):
        gg.io.read_bapst(tmp_path / "absent.pickle")


def test_plain_pickles_load(tmp_path):
    path = tmp_path / "good.pickle"
    path.write_bytes(pickle.dumps({"a": [np.arange(3), 1.5], "b": "text"}, protocol=3))
    out = load_pickle(path)
    assert out["a"][0].tolist() == [0, 1, 2]


def test_bapst_published_figures(bapst):
    a = bapst.snapshot.types == 0
    np.testing.assert_allclose(bapst.propensity.values[:4, a].mean(axis=1), [0.1043, 0.1454, 0.1862, 0.2482], atol=5e-5)
    np.testing.assert_allclose(bapst.noise_ceiling.values[0] ** 2, [0.937, 0.905], atol=5e-4)
    assert bapst.attrs["tau_alpha"] == pytest.approx(5889.603)
    assert (np.diff(bapst.times) > 0).all()


def test_bapst_full_format(data):
    small = gg.io.read_bapst(data / "ka_t044_bapst_small.pickle")
    assert small.propensity.shape == (10, 20)
    assert np.isfinite(small.standard_error.values).all()
    raw = load_pickle(data / "ka_t044_bapst_small.pickle")
    first = np.stack(raw["trajectory_target_positions"][0]) - raw["positions"]
    first -= first.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(small.propensity.values[0], np.linalg.norm(first, axis=-1).mean(axis=0))


def test_botan_published_ceilings(data):
    files = [data / "botan" / f"isoconfig_N4096T0.44_{k}_tc07.npz" for k in range(1, 9)]
    ensemble = gg.io.read_botan(files)
    np.testing.assert_allclose(ensemble.noise_ceiling.values[:, 0, 0], [0.819, 0.947, 0.883, 0.942, 0.913, 0.927, 0.906, 0.932], atol=6e-4)
