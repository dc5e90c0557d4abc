"""``io.read`` finds out what a file is by what is in it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import xarray
from fuzzed_readers import FORMATS
from sound_files import put

import glassgpu as gg
from glassgpu.errors import FileFormatError, InvalidInput

RESULTS = {
    "botan": gg.Ensemble,
    "columns": xarray.Dataset,
    "dump": gg.Snapshot,
    "frames": gg.io.Frames,
    "glassbench": gg.Ensemble,
    "gsd": gg.Snapshot,
    "pickle": gg.Ensemble,
    "xyz": gg.Snapshot,
    "zarr": xarray.Dataset,
}


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@pytest.mark.parametrize("kind", RESULTS)
def test_whatever_the_name(tmp_path, kind):
    """By content: under a name that says nothing, and one that says something else. Names of npz files hold the temperature."""
    for name, files in FORMATS[kind].samples():
        put(tmp_path / name, files)
        wanted = gg.Ensemble if name == "e.zarr" else RESULTS[kind]
        for other in [name] if name.endswith(".npz") else [name, "nothing", "a.gsd", "a.xyz"]:
            if other != name:
                (shutil.copytree if (tmp_path / name).is_dir() else shutil.copy)(tmp_path / name, tmp_path / other)
            found = gg.io.read(str(tmp_path / other))
            found = found[0] if isinstance(found, list) else found
            assert isinstance(found, wanted)
            types = (
                found.types if isinstance(found, gg.Snapshot) else found.snapshot.types if isinstance(found, gg.Ensemble) else np.zeros(1)
            )
            assert types.min() == 0
            if other != name:
                (shutil.rmtree if (tmp_path / other).is_dir() else (tmp_path / other).unlink)(
                    *[tmp_path / other][: (tmp_path / other).is_dir()]
                )
        (shutil.rmtree if (tmp_path / name).is_dir() else (tmp_path / name).unlink)(*[tmp_path / name][: (tmp_path / name).is_dir()])


def test_by_the_end_of_the_name(tmp_path):
    """An empty or damaged file is told about by the reader that its name asks for."""
    for name, message in (
        ("a.gsd", "GSD|cannot be read"),
        ("a.dump", "holds no frames"),
        ("a.XYZ", "holds no frames"),
        ("a.pickle", "complete pickle"),
    ):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(FileFormatError, match=message):
            gg.io.read(tmp_path / name)


def test_what_is_not_known(tmp_path):
    every = r"Known are GSD .*pickles of Bapst.*BOTAN.*GlassBench.*LAMMPS dumps.*extended XYZ.*Zarr stores"
    (tmp_path / "notes.txt").write_text("Dear diary")
    (tmp_path / "folder").mkdir()
    np.savez(tmp_path / "mine.npz", x=np.zeros(3))
    np.save(tmp_path / "mine.npy", np.zeros(3))
    for name in ("notes.txt", "folder", "mine.npz", "mine.npy"):
        with pytest.raises(FileFormatError, match=every):
            gg.io.read(tmp_path / name)
    with pytest.raises(FileFormatError, match="cannot be read"):
        gg.io.read(tmp_path / "absent.gsd")
    for path in (None, 5, ["a"]):
        with pytest.raises(InvalidInput, match="give the name of one file or store"):
            gg.io.read(path)
    name, files = FORMATS["network"].samples()[0]
    put(tmp_path / name, files)
    with pytest.raises(FileFormatError, match="load_network"):
        gg.io.read(tmp_path / name)


def test_misremembered_names():
    for wrong, right in (
        ("load_dataset", "open_dataset"),
        ("load_gsd", "read_gsd"),
        ("dump_dataset", "save_dataset"),
        ("read_botam", "read_botan"),
    ):
        with pytest.raises(AttributeError, match=f"has no '{wrong}'.*did you mean {right}"):
            getattr(gg.io, wrong)
