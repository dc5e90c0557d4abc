"""GlassBench: files written in the published layouts, each of their traps, and what is no such file."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.errors import FileFormatError, ForbiddenPickle, InvalidInput

SIDE_2D = 32.8962
COUNTS = {3: (80, 20), 2: (60, 33, 36)}  # as 3277 : 819 and 600 : 330 : 360


def start_of(d, seed=0):
    random = np.random.default_rng([d, seed])
    types = random.permutation(np.repeat(np.arange(len(COUNTS[d])), COUNTS[d]))
    n = len(types)
    side = (n / 1.2) ** (1 / 3) if d == 3 else SIDE_2D
    return types, random.uniform(-side / 2, side / 2, (n, d)), side


def write(path, arrays, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
    return path


def models(folder, d=3, structure=1, temperature="0.44", first=0, rows=10, **changes):
    """As KA_models and KA2D_models hold them: N, T and structure in the name, no box in three dimensions."""
    types, positions, _ = start_of(d, structure)
    random = np.random.default_rng(structure)
    arrays = {
        "types": types + first,
        "initial_positions": positions,
        "initial_positions_inherent": positions + random.normal(0, 0.05, positions.shape),
        "md_prop": random.uniform(0, 1, (rows, len(types))),
        "bb_prop": random.uniform(0, 1, (rows, len(types))),
    }
    return write(folder / f"N{4096 if d == 3 else 1290}T{temperature}_{structure}.npz", arrays, **changes)


def trajectory(folder, code, structure=1, temperature="0.30", replicas=20, **changes):
    """As KA2D_trajectories holds them: types 1, 2, 3, a number for the box, positions that leave it."""
    types, positions, side = start_of(2, structure)
    random = np.random.default_rng([structure, code])
    runs = positions + random.normal(0, 0.3, (replicas, *positions.shape)) + side * random.integers(-1, 2, (replicas, *positions.shape))
    arrays = {"box": np.float64(side), "types": types.astype(np.int64) + 1, "initial_positions": positions, "positions": runs}
    return write(folder / f"N1290T{temperature}_{structure}_tc{code:02d}.npz", arrays, **changes)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("d", "temperature", "times"),
    [
        (3, "0.44", [0.13, 1.3, 13, 130, 412, 1300, 4120, 13000, 41200, 130000]),
        (3, "0.64", [0.032, 0.1, 0.165, 0.52, 1.65, 5.2, 16.5, 52, 165, 520]),
        (2, "0.30", [0.11, 1.25, 14.14, 158.74, 1781.79, 20000]),
        (2, "0.23", [0.1, 1.1, 11.64, 122.47, 1288.41, 13554, 142587, 1.5e6]),
    ],
)
def test_models(tmp_path, first, d, temperature, times):
    path = models(tmp_path / "train", d, 7, temperature, first, len(times))
    raw, (types, positions, side) = np.load(path), start_of(d, 7)
    if d == 2:  # without a box, that of N = 1290 at the same density
        side = SIDE_2D * np.sqrt(len(types) / 1290)
    ensemble = gg.io.read_glassbench(path)
    assert ensemble.times.tolist() == times and ensemble.propensity.dims == ("time", "particle")
    np.testing.assert_array_equal(ensemble.propensity.values, raw["md_prop"])
    np.testing.assert_array_equal(ensemble.bond_breaking.values, raw["bb_prop"])
    assert np.isnan(ensemble.standard_error.values).all() and np.isnan(ensemble.noise_ceiling.values).all()
    assert np.isnan(ensemble.bond_breaking_error.values).all()
    np.testing.assert_array_equal(ensemble.snapshot.types, types)
    np.testing.assert_allclose(ensemble.snapshot.box, side, rtol=1e-12)
    turns = (ensemble.snapshot.positions - positions) / ensemble.snapshot.box
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-12)
    assert ensemble.attrs["temperature"] == float(temperature) and ensemble.attrs["system"].endswith("2D") == (d == 2)
    assert ensemble.noise_ceiling["species"].values.tolist() == (["A", "B"] if d == 3 else ["A", "B", "C"])


def test_several_models(tmp_path):
    paths = [models(tmp_path / "test", structure=k) for k in (401, 3, 500)]
    ensemble = gg.io.read_glassbench(paths)
    assert ensemble.propensity.dims == ("configuration", "time", "particle") == ensemble.bond_breaking.dims
    for k, path in enumerate(paths):
        np.testing.assert_array_equal(ensemble.propensity.values[k], np.load(path)["md_prop"])
        assert np.array_equal(ensemble.snapshot[k].positions, gg.io.read_glassbench(path).snapshot.positions)
    gg.io.save_dataset(tmp_path / "all.zarr", ensemble)
    np.testing.assert_array_equal(gg.io.load_ensemble(tmp_path / "all.zarr").bond_breaking, ensemble.bond_breaking)


def by_hand(raw):
    """Propensity and its error, one particle and one replica at a time."""
    start, runs, side = raw["initial_positions"], raw["positions"], float(raw["box"])
    replicas, n, d = runs.shape
    moved = np.empty(runs.shape)
    for r, i, k in itertools.product(range(replicas), range(n), range(d)):
        delta = runs[r, i, k] - start[i, k]
        moved[r, i, k] = min((delta + side * image for image in (-2, -1, 0, 1, 2)), key=abs)
    moved -= moved.mean(axis=1, keepdims=True)
    distance = np.sqrt((moved**2).sum(axis=2))
    return distance.mean(axis=0), distance.std(axis=0, ddof=1) / np.sqrt(replicas)


def test_trajectories(tmp_path):
    path = trajectory(tmp_path, 4)
    ensemble = gg.io.read_glassbench(path)
    mean, error = by_hand(np.load(path))
    np.testing.assert_allclose(ensemble.propensity.values[0], mean, rtol=1e-12)
    np.testing.assert_allclose(ensemble.standard_error.values[0], error, rtol=1e-7)
    assert ensemble.times.tolist() == [158.74] and ensemble.propensity.dims == ("time", "particle")
    assert np.isfinite(ensemble.noise_ceiling.values).all() and ensemble.noise_ceiling["species"].values.tolist() == ["A", "B", "C"]
    assert ensemble.attrs["replicas"] == 20 and ensemble.attrs["tau_alpha"] == 2200
    assert ensemble.snapshot.types.min() == 0 and ensemble.snapshot.box.tolist() == [SIDE_2D] * 2


def test_time_codes_become_times_and_structures_configurations(tmp_path):
    paths = {(s, c): trajectory(tmp_path / "T0.23" / "train", c, s, "0.23") for s in (9, 2) for c in (40, 5, 20)}
    one = gg.io.read_glassbench([paths[9, c] for c in (40, 5, 20)])
    assert one.propensity.dims == ("time", "particle") and one.times.tolist() == [0.1, 122.47, 1.5e6]
    both = gg.io.read_glassbench(list(paths.values()))
    assert both.propensity.shape == (2, 3, 129)
    for k, s in enumerate((9, 2)):
        for t, c in enumerate((5, 20, 40)):
            np.testing.assert_array_equal(both.propensity.values[k, t], gg.io.read_glassbench(paths[s, c]).propensity.values[0])
    with pytest.raises(InvalidInput, match="the same time codes"):
        gg.io.read_glassbench([paths[9, 40], paths[2, 5]])
    with pytest.raises(InvalidInput, match="given twice"):
        gg.io.read_glassbench([paths[9, 40], paths[9, 40]])
    with pytest.raises(InvalidInput, match="either models or trajectories"):
        gg.io.read_glassbench([paths[9, 40], models(tmp_path, 2, 4, "0.23", rows=8)])
    with pytest.raises(FileFormatError, match="another start"):
        gg.io.read_glassbench([paths[9, 40], trajectory(tmp_path, 5, 9, "0.23", initial_positions=start_of(2, 9)[1] + 0.1)])


def test_whole_boxes_and_the_order_of_particles_change_nothing(tmp_path):
    path = trajectory(tmp_path / "a", 1)
    raw = dict(np.load(path))
    expected = gg.io.read_glassbench(path)
    shift = SIDE_2D * np.array([3, -2])
    other = gg.io.read_glassbench(trajectory(tmp_path / "b", 1, positions=raw["positions"] + shift, box=np.full(2, SIDE_2D)))
    np.testing.assert_allclose(other.propensity, expected.propensity, atol=1e-12)
    order = np.random.default_rng(0).permutation(129)
    mixed = {k: raw[k][..., order, :] for k in ("initial_positions", "positions")}
    other = gg.io.read_glassbench(trajectory(tmp_path / "c", 1, types=raw["types"][order], **mixed))
    np.testing.assert_allclose(other.propensity.values, expected.propensity.values[:, order], atol=1e-12)


def test_states_and_predictions(tmp_path):
    types, positions, side = start_of(3, 401)
    cage = positions + 0.01
    random = np.random.default_rng(1)
    others = {"BOTAN": random.normal(size=(10, 100)), "DEN": random.normal(size=100)}
    full = models(tmp_path, structure=401, initial_positions_cage=cage, **others)
    bare = models(tmp_path, structure=5)
    inherent = gg.io.read_glassbench_states(full)
    expected = gg.Snapshot(np.load(full)["initial_positions_inherent"], types, np.full(3, side))
    np.testing.assert_allclose(inherent.positions, expected.positions, atol=1e-12)
    assert len(gg.io.read_glassbench_states([full, bare])) == 2
    moved = gg.io.read_glassbench_states(full, "cage").positions - gg.io.read_glassbench(full).snapshot.positions
    np.testing.assert_allclose(moved - side * np.rint(moved / side), 0.01, atol=1e-12)
    with pytest.raises(FileFormatError, match=r"lacks \['initial_positions_cage'\]"):
        gg.io.read_glassbench_states([full, bare], "cage")
    with pytest.raises(InvalidInput, match="choose one of 'inherent', 'cage'"):
        gg.io.read_glassbench_states(full, "thermal")
    found = gg.io.read_glassbench_predictions(full)
    assert found["BOTAN"].dims == ("time", "particle") and found["DEN"].dims == ("particle",)
    np.testing.assert_array_equal(found["BOTAN"], others["BOTAN"])
    assert found["time"].values[-1] == 130000
    both = gg.io.read_glassbench_predictions([full, bare])
    assert both["BOTAN"].dims == ("configuration", "time", "particle") and np.isnan(both["DEN"].values[1]).all()
    assert not gg.io.read_glassbench_predictions(bare).data_vars


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"md_prop": None}, FileFormatError, "neither md_prop nor positions"),
        ({"types": None}, FileFormatError, r"lacks \['types'\]"),
        ({"types": np.arange(100) % 5 + 1}, FileFormatError, "expected 2 species numbered from 0 or from 1"),
        ({"types": np.repeat([2, 3], 50)}, FileFormatError, "types from 2 to 3"),
        ({"types": 1 - start_of(3, 1)[0]}, FileFormatError, "the first one most often"),
        ({"types": np.zeros(100, int)}, FileFormatError, "expected 2 species"),
        ({"types": np.repeat([0.0, 0.5], 50)}, FileFormatError, "whole numbers"),
        ({"types": np.array([None] * 100)}, ForbiddenPickle, "Python objects"),
        ({"initial_positions": np.zeros((100, 4))}, FileFormatError, r"shape \(100, 4\)"),
        ({"initial_positions": np.float64(1)}, FileFormatError, "shape"),
        ({"initial_positions": np.full((100, 3), np.nan)}, FileFormatError, "NaN"),
        ({"md_prop": np.full((10, 100), np.inf)}, FileFormatError, "NaN or infinite"),
        ({"md_prop": np.zeros((10, 99))}, FileFormatError, "md_prop has shape"),
        ({"bb_prop": np.zeros((9, 100))}, FileFormatError, "bb_prop has shape"),
        ({"md_prop": np.zeros((9, 100))}, FileFormatError, "9 rows for the 10 times"),
        ({"md_prop": np.float64(1)}, FileFormatError, "1 rows for the 10 times"),
        ({"box": np.zeros(3)}, FileFormatError, "side must be positive"),
        ({"box": np.ones(2)}, FileFormatError, "box has shape"),
    ],
)
def test_bad_files(tmp_path, changes, error, message):
    with pytest.raises(error, match=message) as raised:
        gg.io.read_glassbench(models(tmp_path, **changes))
    assert "N4096T0.44_1.npz" in str(raised.value)


def test_unknown_times_and_names(tmp_path):
    path = models(tmp_path, temperature="0.47")
    with pytest.raises(FileFormatError, match=r"published for T = 0.44, 0.5, 0.56, 0.64, not for 0.47; give times="):
        gg.io.read_glassbench(path)
    assert gg.io.read_glassbench(path, times=range(10)).times.tolist() == list(range(10))
    with pytest.raises(InvalidInput, match="times has shape"):
        gg.io.read_glassbench(path, times=[1, 2])
    with pytest.raises(InvalidInput, match="times that increase"):
        gg.io.read_glassbench(path, times=[0.0] * 10)
    with pytest.raises(FileFormatError, match="for the codes"):
        gg.io.read_glassbench(trajectory(tmp_path, 7))
    with pytest.raises(FileFormatError, match="the name tells neither"):
        gg.io.read_glassbench(path.rename(tmp_path / "mine.npz"))
    with pytest.raises(FileFormatError, match="positions has shape"):
        gg.io.read_glassbench(trajectory(tmp_path, 1, positions=np.zeros((20, 128, 2))))
    with pytest.raises(FileFormatError, match="replicas"):
        gg.io.read_glassbench(trajectory(tmp_path, 2, replicas=1))
    with pytest.raises(InvalidInput, match="one temperature"):
        gg.io.read_glassbench([models(tmp_path), models(tmp_path, temperature="0.50")])
    with pytest.raises(InvalidInput, match="structure is given twice"):
        gg.io.read_glassbench([models(tmp_path), models(tmp_path)])
    with pytest.raises(FileFormatError, match="only some of these files hold bb_prop"):
        gg.io.read_glassbench([models(tmp_path, structure=1), models(tmp_path, structure=2, bb_prop=None)])
    (tmp_path / "N4096T0.44_9.npz").write_text("text")
    with pytest.raises(FileFormatError, match="not an npz file"):
        gg.io.read_glassbench(tmp_path / "N4096T0.44_9.npz")
