"""Zarr stores come back value for value, and damage is named."""

from __future__ import annotations

import json
import os
import pickle
import shutil

import numpy as np
import pytest
import xarray
import zarr
from stored import assert_same_bits, assert_same_values, every_kind, random_snapshot

import glassgpu as gg
from glassgpu.engines.isoconfigurational import make_ensemble
from glassgpu.errors import FileFormatError, ForbiddenPickle, InvalidInput, OutputNotWritable
from glassgpu.io import datasets


@pytest.mark.parametrize("chunk_bytes", [datasets.CHUNK_BYTES, 50])
def test_zarr_round_trip(tmp_path, monkeypatch, chunk_bytes):
    monkeypatch.setattr(datasets, "CHUNK_BYTES", chunk_bytes)
    data = every_kind()
    untouched = data.copy(deep=True)
    path = tmp_path / "a.zarr"
    gg.io.save_dataset(path, data)
    assert_same_values(data, untouched)
    assert_same_values(gg.io.open_dataset(path), data)
    elsewhere = xarray.open_zarr(path, consolidated=False)
    assert elsewhere.attrs.pop("glassgpu_variables") == sorted(map(str, data.variables))
    xarray.testing.assert_identical(elsewhere.load(), data)
    group = zarr.open_group(path, mode="r")
    np.testing.assert_array_equal(group["descriptor"][:], data["descriptor"].values)
    assert group.metadata.zarr_format == 3 and group.metadata.consolidated_metadata is None
    files = [p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(files) == sum(v.size > 0 for v in data.variables.values())  # one file a variable
    sharded = json.loads((path / "descriptor" / "zarr.json").read_text())["codecs"][0]["name"] == "sharding_indexed"
    assert sharded == (chunk_bytes == 50)


def test_zarr_round_trip_of_random_arrays(tmp_path, monkeypatch):
    random = np.random.default_rng(6)
    for k in range(30):
        monkeypatch.setattr(datasets, "CHUNK_BYTES", int(random.choice([1, 64, 1000, 2**25])))
        shape = tuple(random.integers(1, 9, random.integers(1, 5)))
        dims = [f"d{i}" for i in range(len(shape))]
        bits = random.integers(0, 2**64, shape, dtype=np.uint64)
        real = bits.view(np.float64)
        real = np.where(np.isnan(real), np.nan, real)  # any float64, one kind of NaN
        names = np.array(["".join(chr(c) for c in random.integers(1, 0xD800, random.integers(0, 6))) for _ in range(shape[0])])
        data = xarray.Dataset({"bits": (dims, bits), "real": (dims, real)}, coords={"names": ("d0", names), "d0": names})
        gg.io.save_dataset(tmp_path / "a.zarr", data.isel(d0=slice(0, 1)) if k % 10 == 0 else data)
        assert_same_values(gg.io.open_dataset(tmp_path / "a.zarr"), data.isel(d0=slice(0, 1)) if k % 10 == 0 else data)


def test_descriptors_are_stored(tmp_path):
    """A table as ``Descriptor.__call__`` makes it, with all its names."""
    shells = gg.descriptors.ShellExpansion(generations=3)
    table = xarray.DataArray(
        np.random.default_rng(0).normal(size=(5, len(shells.columns))),
        dims=("particle", "feature"),
        coords={"feature": shells.columns},
        name="ShellExpansion",
        attrs={"descriptor": repr(shells), "reach": shells.reach},
    )
    gg.io.save_dataset(tmp_path / "x.zarr", table)
    back = gg.io.open_dataset(tmp_path / "x.zarr")["ShellExpansion"]
    xarray.testing.assert_identical(back, table)
    assert back["feature"].values.tolist() == table["feature"].values.tolist()
    gg.io.save_dataset(tmp_path / "y.zarr", xarray.DataArray([1.0, 2.0], dims="particle"))
    assert gg.io.open_dataset(tmp_path / "y.zarr")["data"].values.tolist() == [1, 2]


def test_a_store_read_elsewhere_can_be_saved_again(tmp_path):
    data = every_kind()
    gg.io.save_dataset(tmp_path / "a.zarr", data)
    gg.io.save_dataset(tmp_path / "b.zarr", xarray.open_zarr(tmp_path / "a.zarr", consolidated=False).drop_vars("flag"))
    assert_same_values(gg.io.open_dataset(tmp_path / "b.zarr"), data.drop_vars("flag"))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_foreign_stores(tmp_path, zarr_format):
    """Chunks of fill values are not stored by others, and that is no damage."""
    data = every_kind().drop_vars(["names", "feature", "species", "label"])
    data.to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format, consolidated=False)
    assert not list((tmp_path / "a.zarr" / "all_nan").glob("c*/0")) and not (tmp_path / "a.zarr" / "all_nan" / "0").exists()
    xarray.testing.assert_identical(gg.io.open_dataset(tmp_path / "a.zarr"), data)
    with pytest.raises(OutputNotWritable, match="something else"):
        gg.io.save_dataset(tmp_path / "a.zarr", data)


# --- Zarr: ensembles


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("energy", [False, True])
def test_ensembles_come_back(tmp_path, many, energy):
    random = np.random.default_rng([many, energy])
    snapshots = [random_snapshot(random, 3, velocities=k != 1, images=k == 1 or not many) for k in range(3 if many else 1)]
    mean = random.random((len(snapshots), 2, 20))
    attrs = {"temperature": 0.44, "seed": 2**64 - 1, "replicas": 32, "thermostat": "None", "time_unit": "tau"}
    energies = random.normal(size=(len(snapshots), 2)) if energy else None
    ensemble = make_ensemble(snapshots, many, np.array([0.1, 1.0]), mean, mean / 7, ("A", "B"), attrs, np.array([20, 200]), energies)
    gg.io.save_dataset(tmp_path / "e.zarr", ensemble)
    back = gg.io.load_ensemble(tmp_path / "e.zarr")
    assert back.attrs == ensemble.attrs and isinstance(back.snapshot, list) == many
    for a, b in zip(snapshots, back.snapshot if many else [back.snapshot], strict=True):
        assert_same_bits(a, b)
    for name in ("propensity", "standard_error", "noise_ceiling", "energy"):
        if name == "energy" and not energy:
            assert back.energy is None
        else:
            xarray.testing.assert_identical(getattr(back, name), getattr(ensemble, name))
    np.testing.assert_array_equal(back.times, ensemble.times)


@pytest.mark.parametrize("many", [False, True])
def test_ensembles_of_a_run_come_back_with_all_labels(tmp_path, many):
    system = gg.systems.kob_andersen(n=200, density=1.0, cutoff="per_pair")
    start = gg.equilibrate(system, 1.0, 0.5, seed=1, accept=None, backend="cpu", progress=False)
    ensemble = gg.isoconfigurational(
        system, [start, start] if many else start, temperature=1.0, times=[0.05, 0.2], replicas=2, seed=1, backend="cpu", progress=False,
        labels=("mean_displacement",), observe=gg.dynamics.Observe(wavenumber=7.2, bins=10),
    )  # fmt: skip
    gg.io.save_dataset(tmp_path / "e.zarr", ensemble)
    back = gg.io.load_ensemble(tmp_path / "e.zarr")
    for name in ("propensity", "energy", "mean_displacement", "observables"):
        xarray.testing.assert_identical(getattr(back, name), getattr(ensemble, name))
    assert back.observables.attrs["wavenumber"] == 7.2


def test_what_is_no_ensemble(tmp_path):
    gg.io.save_dataset(tmp_path / "a.zarr", every_kind())
    with pytest.raises(FileFormatError, match=r"holds no Ensemble: .*lacks"):
        gg.io.load_ensemble(tmp_path / "a.zarr")
    snapshot = random_snapshot(np.random.default_rng(0), 3)
    data = gg.io.ensemble_dataset(make_ensemble([snapshot], False, np.ones(1), np.ones((1, 1, 20)), np.ones((1, 1, 20)), ("A", "B"), {}))
    with pytest.raises(InvalidInput, match="box has the dimensions"):
        gg.io.ensemble_from(data.assign(box=("particle", np.ones(20))))
    gg.io.save_dataset(tmp_path / "b.zarr", data.assign(box=-data["box"]))
    with pytest.raises(FileFormatError, match="side must be positive"):
        gg.io.load_ensemble(tmp_path / "b.zarr")


# --- Zarr: damage and bad input


def test_damaged_stores_are_errors(tmp_path):
    """A chunk cut, emptied, changed or lost, a variable lost: none of it is read as data."""
    random = np.random.default_rng(7)
    path = tmp_path / "a.zarr"
    data = every_kind()[["descriptor", "all_nan", "zeros", "names"]]
    gg.io.save_dataset(path, data)
    chunks = sorted(p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json")
    assert len(chunks) == len(data.variables)
    for chunk in chunks:
        whole = chunk.read_bytes()
        flipped = bytearray(whole)
        flipped[random.integers(len(whole))] ^= 1 << random.integers(8)
        for damaged in (b"", whole[:-1], whole[: len(whole) // 2], bytes(flipped)):
            chunk.write_bytes(damaged)
            with pytest.raises(FileFormatError, match="damaged"):
                gg.io.open_dataset(path)
        chunk.unlink()
        with pytest.raises(FileFormatError, match=r"chunks of the variable .* lost"):
            gg.io.open_dataset(path)
        chunk.write_bytes(whole)
    for name in data.variables:
        shutil.move(path / name, tmp_path / "aside")
        with pytest.raises(FileFormatError, match=f"{name}' is lost"):
            gg.io.open_dataset(path)
        shutil.move(tmp_path / "aside", path / name)
        metadata = (path / name / "zarr.json").read_text()
        (path / name / "zarr.json").write_text(metadata[: len(metadata) // 2])
        with pytest.raises(FileFormatError, match="damaged"):
            gg.io.open_dataset(path)
        (path / name / "zarr.json").write_text(metadata)
    assert_same_values(gg.io.open_dataset(path), data)


def test_places_without_a_store(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    zarr.open_group(tmp_path / "group", mode="w", zarr_format=3).create_group("inner")
    for name, message in (("absent", "not there"), ("file", "file"), ("folder", "no Zarr store"), ("group", "name one of the groups")):
        with pytest.raises(FileFormatError, match=message):
            gg.io.open_dataset(tmp_path / name)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('this store ran code')",))


def test_a_pickle_in_a_store_is_not_run(tmp_path):
    path = tmp_path / "a.zarr"
    xarray.Dataset({"x": ("p", np.arange(3.0))}).to_zarr(path, zarr_format=2, consolidated=False)
    metadata = json.loads((path / "x" / ".zarray").read_text())
    (path / "x" / "0").write_bytes(pickle.dumps(Evil()))
    for change in ({"filters": [{"id": "pickle", "protocol": 5}], "compressor": None}, {"filters": None, "compressor": {"id": "pickle"}}):
        (path / "x" / ".zarray").write_text(json.dumps({**metadata, **change}))
        with pytest.raises(ForbiddenPickle, match="pickle"):
            gg.io.open_dataset(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": 1}, "expected an xarray"),
        (np.zeros(3), "expected an xarray"),
        (xarray.Dataset({"x": ("p", np.array([b"a"]))}), "bytes"),
        (xarray.Dataset({"x": ("p", np.array([1, "a", None], object))}), "cannot be stored"),
        (xarray.Dataset({"x": ("p", np.zeros(2), {"a": 1j})}), "cannot be stored"),
        (xarray.Dataset(attrs={"a": object()}), "cannot be stored"),
        (xarray.Dataset({"a/b": ("p", np.zeros(2))}), "cannot be stored"),
        (xarray.Dataset({5: ("p", np.zeros(2))}), "cannot be stored"),
        (xarray.Dataset({"x": ("p", np.zeros(2), {"_FillValue": 0.0})}), "come back"),
        (xarray.Dataset({"x": ("p", np.zeros(2), {"scale_factor": 2.0})}), "come back"),
        (xarray.Dataset({"x": ("p", np.zeros(2), {"units": "days since 2000-01-01"})}), "come back"),
        (xarray.Dataset({"x": ("p", np.zeros(2))}, attrs={"coordinates": "x"}), "come back"),
    ],
)
def test_what_cannot_be_stored(tmp_path, data, message):
    path = tmp_path / "a.zarr"
    gg.io.save_dataset(path, xarray.Dataset({"old": ("p", np.ones(2))}))
    with pytest.raises(InvalidInput, match=message):
        gg.io.save_dataset(path, data)
    assert gg.io.open_dataset(path)["old"].values.tolist() == [1, 1] and os.listdir(tmp_path) == ["a.zarr"]
