"""Places that cannot be written, and writes that fail: what was there before is unchanged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import gsd.fl
import gsd.hoomd
import gsd.pygsd
import numpy as np
import pytest
import xarray

import glassgpu as gg
from glassgpu.errors import OutputNotWritable


@pytest.fixture
def writers(lattice):
    data = xarray.Dataset({"x": ("particle", np.arange(3.0))})
    return [lambda path: gg.io.write_gsd(path, lattice(3, 4.0)), lambda path: gg.io.save_dataset(path, data)]


def test_places_that_cannot_be_written(tmp_path, writers):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "precious").write_text("data")
    for write in writers:
        with pytest.raises(OutputNotWritable, match="choose another"):
            write(blocked / "out")
        with pytest.raises(OutputNotWritable, match="something else"):
            write(folder)
        write(tmp_path / "new" / "folder" / "out")
        shutil.rmtree(tmp_path / "new")
        if os.getuid():
            locked = tmp_path / "locked"
            locked.mkdir(mode=0o500, exist_ok=True)
            with pytest.raises(OutputNotWritable):
                write(locked / "out")
    with pytest.raises(OutputNotWritable, match="something else"):
        writers[1](blocked)
    assert (folder / "precious").read_text() == "data" and blocked.read_text() == "not a folder"


def test_a_failed_write_leaves_the_old_file(tmp_path, writers, monkeypatch):
    for k, write in enumerate(writers):
        path = tmp_path / f"out{k}"
        write(path)
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        for broken in ("replace", "rename"):
            rename, calls = getattr(os, broken), []

            def fail(a, b, rename=rename, calls=calls):
                calls.append(a)
                if Path(a).name == "new":
                    raise OSError(28, "No space left on device")
                rename(a, b)

            with monkeypatch.context() as patch:
                patch.setattr(os, broken, fail)
                if (broken == "rename") == bool(k):  # files are replaced, folders are renamed
                    with pytest.raises(OutputNotWritable, match=r"No space left .* unchanged"):
                        write(path)
                    assert calls
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
        write(path)
    assert sorted(os.listdir(tmp_path)) == ["out0", "out1"]


def test_a_disk_that_fills_up(tmp_path, writers, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gsd.hoomd.HOOMDTrajectory, "append", full)
    monkeypatch.setattr(xarray.Dataset, "to_zarr", full)
    for write in writers:
        with pytest.raises(OutputNotWritable, match="No space left"):
            write(tmp_path / "out")
    assert not os.listdir(tmp_path)


def test_links_are_followed(tmp_path, writers):
    (tmp_path / "disk").mkdir()
    for k, write in enumerate(writers):
        write(tmp_path / "disk" / f"out{k}")
        (tmp_path / f"link{k}").symlink_to(tmp_path / "disk" / f"out{k}")
        write(tmp_path / f"link{k}")
        assert (tmp_path / f"link{k}").is_symlink() and not (tmp_path / "disk" / f"out{k}").is_symlink()
