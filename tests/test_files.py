"""Files in and out: GSD and Zarr come back bit for bit, open elsewhere, and damage is named."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import freud
import gsd.fl
import gsd.hoomd
import gsd.pygsd
import numpy as np
import pytest
import xarray
import zarr

import glassgpu as gg
from glassgpu.engines.isoconfigurational import make_ensemble
from glassgpu.errors import FileFormatError, ForbiddenPickle, InvalidInput, OutputNotWritable, UnknownSpecies
from glassgpu.io import datasets, gsd_files

FIELDS = ("positions", "types", "box", "velocities", "images")


def random_snapshot(random, d, n=20, velocities=True, images=True, species=2):
    """Boxes of any size, and positions that include the two ends of [-L/2, L/2)."""
    box = 10 ** random.uniform(-3, 5, d)
    positions = random.uniform(-0.5, 0.5, (n, d)) * box
    positions[0], positions[1], positions[2] = -box / 2, np.nextafter(box / 2, 0), np.nextafter(-box / 2, 0)
    return gg.Snapshot(
        positions,
        random.integers(0, species, n),
        box,
        random.normal(0, 10 ** random.uniform(-5, 5), (n, d)) if velocities else None,
        random.integers(-(2**31), 2**31, (n, d)) if images else None,
    )


def assert_same_bits(a, b):
    for name in FIELDS:
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None), name
        assert x is None or (x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()), name


def foreign(path, frames):
    """A single precision file as gsd itself writes it."""
    with gsd.hoomd.open(path, "w") as trajectory:
        for configuration, particles in frames:
            frame = gsd.hoomd.Frame()
            for name, value in configuration.items():
                setattr(frame.configuration, name, value)
            for name, value in particles.items():
                setattr(frame.particles, name, value)
            trajectory.append(frame)
    return path


def plain(n=4, **changes):
    random = np.random.default_rng(n)
    box = changes.pop("box", [4, 5, 6, 0, 0, 0])
    configuration = {"box": box, **({"dimensions": changes.pop("dimensions")} if "dimensions" in changes else {})}
    position = random.uniform(-2, 2, (n, 3)).astype(np.float32)
    return configuration, {"N": n, "types": ["A", "B"], "typeid": [0, 1] * (n // 2), "position": position, **changes}


# --- Snapshot: wrapping keeps what is inside


def test_wrapping_changes_nothing_inside():
    random = np.random.default_rng(5)
    for _ in range(2000):
        box = 10 ** random.uniform(-3, 5, 3)
        once = gg.Snapshot(random.normal(0, 1, (20, 3)) * box * 10 ** random.uniform(-1, 6), np.zeros(20), box)
        assert (once.positions >= -box / 2).all() and (once.positions < box / 2).all()
        assert gg.Snapshot(once.positions, once.types, box).positions.tobytes() == once.positions.tobytes()
        ends = np.array([-box / 2, np.nextafter(box / 2, 0), np.nextafter(-box / 2, 0), np.nextafter(0, 1) * np.ones(3)])
        assert gg.Snapshot(ends, np.zeros(4), box).positions.tobytes() == ends.tobytes()
        assert (gg.Snapshot([box / 2, box / 2], np.zeros(2), box).positions == -box / 2).all()
        far = (random.integers(-9, 9, (40, 3)) + 0.5) * box  # boundaries of other images, and both neighbours of those
        far = np.concatenate([far, np.nextafter(far, -np.inf), np.nextafter(far, np.inf)])
        near = gg.Snapshot(far, np.zeros(120), box).positions
        assert (near >= -box / 2).all() and (near < box / 2).all()
        images = (far - near) / box
        np.testing.assert_allclose(images, np.rint(images), atol=1e-14)


# --- GSD: round trip


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("velocities", [True, False])
@pytest.mark.parametrize("images", [True, False])
def test_gsd_round_trip_of_many_boxes(tmp_path, d, velocities, images):
    random = np.random.default_rng([d, velocities, images])
    snapshots = [random_snapshot(random, d, velocities=velocities, images=images) for _ in range(500)]
    gg.io.write_gsd(tmp_path / "a.gsd", snapshots)
    back = gg.io.read_gsd(tmp_path / "a.gsd")
    assert len(back) == 500
    for a, b in zip(snapshots, back, strict=True):
        assert_same_bits(a, b)


def test_gsd_frames_with_and_without(tmp_path):
    random = np.random.default_rng(1)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        snapshots = [random_snapshot(random, 3, velocities=k % 2 == 0, images=k // 2 == 0) for k in order]
        still = gg.Snapshot(snapshots[0].positions, snapshots[0].types, snapshots[0].box, np.zeros((20, 3)), np.zeros((20, 3)))
        snapshots += [still, snapshots[0]]
        gg.io.write_gsd(tmp_path / "a.gsd", snapshots)
        for a, b in zip(snapshots, gg.io.read_gsd(tmp_path / "a.gsd"), strict=True):
            assert_same_bits(a, b)
    gg.io.write_gsd(tmp_path / "a.gsd", still)
    assert_same_bits(still, gg.io.read_gsd(tmp_path / "a.gsd"))


def test_gsd_of_real_liquids(tmp_path, liquid, film):
    for system, snapshot in (liquid, film):
        gg.io.write_gsd(tmp_path / "a.gsd", snapshot, species=system.species)
        assert_same_bits(snapshot, gg.io.read_gsd(tmp_path / "a.gsd", species=system.species))


def test_gsd_frames_asked_for(tmp_path):
    random = np.random.default_rng(2)
    snapshots = [random_snapshot(random, 2) for _ in range(5)]
    path = tmp_path / "a.gsd"
    gg.io.write_gsd(path, snapshots, steps=[0, 10, 100, 1000, 2**40])
    assert_same_bits(gg.io.read_gsd(path, frames=3), snapshots[3])
    assert_same_bits(gg.io.read_gsd(str(path), frames=-1), snapshots[4])
    for asked, expected in ((slice(1, 4, 2), [1, 3]), ([4, 0], [4, 0]), (np.array([2]), [2]), (range(2), [0, 1])):
        got = gg.io.read_gsd(path, frames=asked)
        assert isinstance(got, list) and len(got) == len(expected)
        for a, k in zip(got, expected, strict=True):
            assert_same_bits(a, snapshots[k])
    for wrong in (5, -6, 1.5, True, "0", [0, 9], [], slice(9, 12)):
        with pytest.raises(InvalidInput, match="frames"):
            gg.io.read_gsd(path, frames=wrong)
    with gsd.hoomd.open(path) as trajectory:
        assert [int(frame.configuration.step) for frame in trajectory] == [0, 10, 100, 1000, 2**40]


# --- GSD: other programs


@pytest.mark.parametrize("d", [2, 3])
def test_gsd_opens_in_gsd_and_freud(tmp_path, lattice, d):
    base = lattice(5 if d == 3 else 11, 6.3, d)
    edge = base.positions.copy()
    edge[0], edge[1] = -base.box / 2, np.nextafter(base.box / 2, 0)
    snapshot = gg.Snapshot(edge, base.types, base.box, images=np.arange(edge.size).reshape(edge.shape))
    path = tmp_path / "a.gsd"
    gg.io.write_gsd(path, [snapshot, snapshot], species=("one", "two"))
    with gsd.fl.open(path, "r") as file:
        assert (file.schema, file.schema_version) == ("hoomd", (1, 4))
    with open(path, "rb") as raw:  # the reader in pure Python shares no code with the one in C
        pure = gsd.hoomd.HOOMDTrajectory(gsd.pygsd.GSDFile(raw))[1]
    with gsd.hoomd.open(path) as trajectory:
        frame = trajectory[1]
        for one in (pure, frame):
            assert snapshot.n == one.particles.N and one.particles.types == ["one", "two"] and one.configuration.dimensions == d
            np.testing.assert_array_equal(one.particles.typeid, snapshot.types)
            np.testing.assert_array_equal(one.configuration.box[:d], np.float32(snapshot.box))
            np.testing.assert_array_equal(one.particles.image[:, :d], snapshot.images)
            np.testing.assert_allclose(one.particles.position[:, :d], snapshot.positions, rtol=0, atol=4e-7)
            half = one.configuration.box[:d] / 2
            assert (one.particles.position[:, :d] >= -half).all() and (one.particles.position[:, :d] < half).all()
            assert one.particles.position.dtype == np.float32
            if d == 2:
                assert one.configuration.box[2] == 0 and not one.particles.position[:, 2].any()
        query = freud.locality.AABBQuery.from_system(frame)
        assert query.box.is2D == (d == 2)
        found = query.query(frame.particles.position, {"r_max": 1.5, "exclude_ii": True}).toNeighborList()
    log = gsd.hoomd.read_log(path)
    np.testing.assert_array_equal(log["log/particles/glassgpu/position"][1], snapshot.positions)
    np.testing.assert_array_equal(log["log/glassgpu/box"][1], snapshot.box)
    delta = snapshot.positions[:, None] - snapshot.positions
    delta -= snapshot.box * np.rint(delta / snapshot.box)
    distances = np.linalg.norm(delta, axis=-1)
    assert len(found) == ((distances < 1.5).sum() - snapshot.n)


def test_foreign_single_precision(tmp_path):
    first, second = plain(image=np.arange(12).reshape(4, 3), velocity=np.full((4, 3), 0.1)), plain()
    position = second[1]["position"]
    position[0] = [2, -2.5, 3]  # exactly on the boundary: L/2 is -L/2 of the next image
    position[1] = [7.0, 0, 0]
    path = foreign(tmp_path / "a.gsd", [first, second, ({"step": 9, **second[0]}, {"N": 4})])
    a, b, c = gg.io.read_gsd(path)
    np.testing.assert_array_equal(a.positions, first[1]["position"].astype(float))
    np.testing.assert_array_equal(a.images, np.arange(12).reshape(4, 3))
    np.testing.assert_array_equal(a.velocities, np.full((4, 3), np.float32(0.1), float))
    assert a.types.tolist() == [0, 1, 0, 1] and a.box.tolist() == [4, 5, 6]
    assert b.positions[0].tolist() == [-2, -2.5, -3] and b.positions[1, 0] == -1
    expected = first[1]["image"].copy()  # frame 1 names no images: those of frame 0 hold
    expected[0] += [1, 0, 1]
    expected[1] += [2, 0, 0]
    np.testing.assert_array_equal(b.images, expected)
    np.testing.assert_array_equal(b.positions + b.images * b.box, position + first[1]["image"] * np.array([4, 5, 6]))
    assert_same_bits(c, a)  # all chunks inherited


def test_foreign_defaults(tmp_path):
    path = foreign(tmp_path / "a.gsd", [plain(), plain(image=np.ones((4, 3), int))])
    assert gg.io.read_gsd(path)[0].velocities is None
    assert not gg.io.read_gsd(path)[0].images.any()
    path = foreign(tmp_path / "b.gsd", [({"box": [4, 4, 0, 0, 0, 0]}, {"N": 2, "position": [[0, 0, 0], [1, 1, 0]]})])
    flat = gg.io.read_gsd(path)
    assert flat.dimension == 2 and flat.types.tolist() == [0, 0] and flat.images is None
    path = foreign(tmp_path / "c.gsd", [plain(dimensions=2, position=np.array([[0, 0, 0], [1, 1, 0]] * 2), box=[4, 4, 1, 0, 0, 0])])
    assert gg.io.read_gsd(path).box.tolist() == [4, 4]


def test_foreign_double_precision(tmp_path):
    """Schema 2.0 knows float64."""
    position = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    with gsd.hoomd.open(tmp_path / "a.gsd", "w", precision="double") as trajectory:
        frame = gsd.hoomd.Frame()
        frame.configuration.box, frame.particles.N, frame.particles.position = [2, 2, 2, 0, 0, 0], 4, position
        trajectory.append(frame)
    np.testing.assert_array_equal(gg.io.read_gsd(tmp_path / "a.gsd").positions, position)


def test_species_are_matched_by_name(tmp_path):
    path = foreign(tmp_path / "a.gsd", [plain(types=["B", "A", "unused"])])
    assert gg.io.read_gsd(path).types.tolist() == [0, 1, 0, 1]
    assert gg.io.read_gsd(path, species=("A", "B")).types.tolist() == [1, 0, 1, 0]
    with pytest.raises(UnknownSpecies, match=r"frame 0 holds the species \['B'\]"):
        gg.io.read_gsd(path, species=("A",))


def test_another_program_appends_or_edits(tmp_path, lattice):
    """Neither frame 0's log nor one that was left behind may pass for a frame's own positions."""
    path, edited = tmp_path / "a.gsd", tmp_path / "b.gsd"
    snapshot = lattice(3, 4.0)
    gg.io.write_gsd(path, snapshot)
    with gsd.hoomd.open(path) as trajectory:
        frame = trajectory[0]
    frame.particles.position = frame.particles.position + np.float32(0.25)
    kept, frame.log = frame.log, {}
    with gsd.hoomd.open(path, "r+") as trajectory:
        trajectory.append(frame)
    moved = gg.Snapshot(snapshot.positions + 0.25, snapshot.types, snapshot.box)
    np.testing.assert_allclose(gg.io.read_gsd(path, frames=1).positions, moved.positions, atol=1e-6)
    assert_same_bits(gg.io.read_gsd(path, frames=0), snapshot)
    frame.log = kept
    with gsd.hoomd.open(edited, "w") as trajectory:
        trajectory.append(frame)
    with pytest.raises(FileFormatError, match="delete the log entries"):
        gg.io.read_gsd(edited)


# --- GSD: bad files and bad input


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (plain(box=[4, 5, 6, 0.1, 0, 0]), "tilted"),
        (plain(box=[4, 5, 6, 0, 0, np.nan]), "tilted"),
        (plain(box=[4, 5, np.nan, 0, 0, 0]), "NaN"),
        (plain(box=[4, 0, 6, 0, 0, 0]), "positive"),
        (plain(position=np.full((4, 3), np.nan)), "NaN"),
        (plain(position=np.full((4, 3), np.inf)), "NaN or infinite"),
        (plain(velocity=np.full((4, 3), np.nan)), "velocities holds"),
        (plain(typeid=[0, 1, 2, 0]), "type 2"),
        (plain(dimensions=2), "off the plane"),
        (plain(dimensions=4), "4 dimensions"),
        (plain(position=None), "no positions"),
        (({"box": [2, 2, 2, 0, 0, 0]}, {}), "no positions"),
        (plain(n=4, position=np.ones((4, 3)), image=np.full((4, 3), 2**31 - 1), box=[2, 2, 2, 0, 0, 0]), "images"),
    ],
)
def test_bad_frames(tmp_path, frame, message):
    path = foreign(tmp_path / "a.gsd", [plain(), frame] if message != "no positions" else [frame])
    with pytest.raises(FileFormatError, match=message):
        gg.io.read_gsd(path, frames=-1)


@pytest.mark.parametrize("name", ["typeid", "position", "image", "velocity"])
def test_arrays_of_the_wrong_length(tmp_path, name):
    path = foreign(tmp_path / "a.gsd", [plain()])
    with gsd.fl.open(path, "r+", application="x", schema="hoomd", schema_version=[1, 4]) as file:
        file.write_chunk(f"particles/{name}", np.zeros(3, np.uint32) if name == "typeid" else np.zeros((3, 3), np.float32))
        file.end_frame()
    with pytest.raises(FileFormatError, match=f"particles/{name} has 3 rows for 4 particles"):
        gg.io.read_gsd(path, frames=1)


def test_frames_of_different_systems(tmp_path):
    path = foreign(tmp_path / "a.gsd", [plain(4), plain(6), (plain(4)[0], {"N": 8})])
    assert [gg.io.read_gsd(path, frames=k).n for k in (0, 1)] == [4, 6]
    assert gg.io.read_gsd(path, frames=1).types.tolist() == [0, 1] * 3
    with pytest.raises(FileFormatError, match=r"4 particles in 3 dimensions \(frame 0\), 6 particles .* one by one"):
        gg.io.read_gsd(path, frames=[0, 1])
    with pytest.raises(FileFormatError, match="frame 2: no box or no positions for its 8"):
        gg.io.read_gsd(path, frames=2)


def test_files_that_are_no_gsd(tmp_path):
    path = tmp_path / "a.gsd"
    with pytest.raises(FileFormatError, match=r"cannot be read .*No such file"):
        gg.io.read_gsd(path)
    with pytest.raises(FileFormatError, match="cannot be read"):
        gg.io.read_gsd(tmp_path)
    for content in (b"", b"text", bytes(300)):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"cannot be read|no GSD file"):
            gg.io.read_gsd(path)
    gsd.fl.open(path, "w", application="x", schema="other", schema_version=[1, 0]).close()
    with pytest.raises(FileFormatError, match="schema 'other'"):
        gg.io.read_gsd(path)
    gsd.fl.open(path, "w", application="x", schema="hoomd", schema_version=[3, 0]).close()
    with pytest.raises(FileFormatError, match="schema 'hoomd'"):
        gg.io.read_gsd(path)
    gsd.hoomd.open(path, "w").close()
    with pytest.raises(FileFormatError, match="0 frames"):
        gg.io.read_gsd(path)


def test_damaged_gsd_files_are_errors_or_read(tmp_path):
    """Cut or changed anywhere: a Snapshot or a FileFormatError, no crash, no endless allocation."""
    random = np.random.default_rng(3)
    path = tmp_path / "a.gsd"
    gg.io.write_gsd(path, [random_snapshot(random, 3) for _ in range(2)])
    whole = path.read_bytes()
    refused = 0
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileFormatError):
            gg.io.read_gsd(path)
    for _ in range(500):
        changed = np.frombuffer(whole, np.uint8).copy()
        changed[random.integers(0, len(whole), 3)] ^= random.integers(1, 256, 3).astype(np.uint8)
        path.write_bytes(changed.tobytes())
        try:
            gg.io.read_gsd(path)
        except FileFormatError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"species": ("A",)}, UnknownSpecies, "type 1"),
        ({"species": ("A", "A")}, InvalidInput, "different names"),
        ({"species": ("A", "")}, InvalidInput, "different names"),
        ({"species": ("A", "β")}, InvalidInput, "ASCII"),
        ({"species": ("A", 2)}, InvalidInput, "names"),
        ({"steps": [0, 1]}, InvalidInput, "2 numbers for 1"),
        ({"steps": -1}, InvalidInput, "at least 0"),
        ({"steps": [0.5]}, InvalidInput, "whole number"),
        ({"snapshot": []}, InvalidInput, "at least one"),
    ],
)
def test_bad_input_to_write_gsd(tmp_path, lattice, arguments, error, message):
    path = tmp_path / "a.gsd"
    path.write_text("precious")
    with pytest.raises(error, match=message):
        gg.io.write_gsd(path, **{"snapshot": lattice(3, 4.0), **arguments})
    assert path.read_text() == "precious" and os.listdir(tmp_path) == ["a.gsd"]


def test_single_precision_that_overflows(tmp_path):
    for snapshot in (
        gg.Snapshot(np.zeros((2, 3)), [0, 0], np.full(3, 1e39)),
        gg.Snapshot(np.zeros((2, 3)), [0, 0], np.full(3, 1e-60)),
        gg.Snapshot(np.zeros((2, 3)), [0, 0], np.ones(3), np.full((2, 3), 1e39)),
    ):
        with pytest.raises(InvalidInput, match="single precision"):
            gg.io.write_gsd(tmp_path / "a.gsd", snapshot)
    assert not os.listdir(tmp_path)


# --- what cannot be written, for both


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


# --- Zarr: round trip


def every_kind():
    random = np.random.default_rng(4)
    return xarray.Dataset(
        {
            "descriptor": (
                ("configuration", "particle", "feature"),
                random.normal(size=(2, 3, 4)),
                {"units": "sigma_AA", "reach": 2.5, "none": None, "list": [1, 2.5, "x"], "nan": float("nan"), "nested": {"a": [1, True]}},
            ),
            "with_nan": ("particle", np.array([np.nan, -0.0, 5e-324])),
            "infinite": ("particle", np.array([np.inf, -np.inf, 0], np.float32)),
            "zeros": ("particle", np.zeros(3, np.int64)),
            "all_nan": ("particle", np.full(3, np.nan)),
            "flag": ("particle", np.array([True, False, True])),
            "small": ("particle", np.array([-128, 0, 127], np.int8)),
            "large": ("particle", np.array([0, 1, 2**64 - 1], np.uint64)),
            "wave": ("particle", np.array([1 + 2j, np.nan, 0])),
            "empty": ("nothing", np.zeros(0)),
            "names": ("particle", np.array(["", "b c", "σ/ε"])),
            "number": ((), 3.5, {"units": "seconds"}),
            "when": ("particle", np.array(["2020-01-01", "NaT", "1999-12-31T23:59:59.123456789"], "M8[ns]")),
            "lasted": ("particle", np.array([1, 2, 3], "m8[ns]")),
        },
        coords={
            "feature": ["G2(A, r=1.0)", "G2(B, r=1.0)", "ψ", "q6"],
            "time": ((), 0.1, {"units": "tau"}),
            "species": ("particle", ["A", "B", "A"]),
            "particle": [10, 20, 30],
            "label": "one text",
        },
        attrs={"temperature": 0.44, "seed": 2**63 + 1, "units": "LJ", "time_unit": "sqrt(m sigma^2 / epsilon)"},
    )


def assert_same_values(a, b):
    xarray.testing.assert_identical(a, b)
    assert set(a.coords) == set(b.coords)
    for name in a.variables:
        assert a[name].dims == b[name].dims and a[name].dtype.kind == b[name].dtype.kind, name
        if a[name].dtype.kind != "U":  # strings are compared above; their width is that of the longest
            assert a[name].dtype == b[name].dtype and a[name].values.tobytes() == b[name].values.tobytes(), name


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


def test_single_precision_positions_stay_in_the_box():
    random = np.random.default_rng(8)
    for _ in range(2000):
        box = 10 ** random.uniform(-3, 5, 3)
        ends = np.array([-box / 2, np.nextafter(box / 2, 0), np.zeros(3)])
        single = gsd_files._single_positions(ends, box)
        half = np.float32(box) / 2
        assert single.dtype == np.float32 and (single >= -half).all() and (single < half).all()
        np.testing.assert_allclose(single, ends, rtol=2e-7)


def test_numbers_of_each_particle_in_gsd(tmp_path, lattice):
    """Propensity, softness and the like, in every frame from the first on; the snapshots are what they were."""
    starts = [lattice(4, 5.0, seed=k) for k in range(2)]
    columns = {"propensity": np.random.default_rng(0).normal(size=(2, 64)), "softness": np.random.default_rng(1).normal(size=(2, 64, 3))}
    gg.io.write_gsd(tmp_path / "run.gsd", starts, log=columns)
    gg.io.write_gsd(tmp_path / "one.gsd", starts[1], log={name: values[1] for name, values in columns.items()})
    for path, frames in (("run.gsd", (0, 1)), ("one.gsd", (1,))):
        with gsd.hoomd.open(tmp_path / path, "r") as trajectory:
            for frame, k in zip(trajectory, frames, strict=True):
                for name, values in columns.items():
                    assert np.array_equal(frame.log[f"particles/glassgpu/{name}"], values[k])
    back = gg.io.read_gsd(tmp_path / "run.gsd")
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(starts, back, strict=True))


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ({"position": np.zeros(64)}, "written anyway"),
        ({"p/q": np.zeros(64)}, "letters, digits"),
        ({"p": np.zeros(63)}, r"shape \(63,\) of float64; give numbers of shape \(64,\)"),
        ({"p": ["a"] * 64}, "give numbers"),
        ({"p": 1.0}, "give numbers"),
    ],
)
def test_bad_numbers_of_particles(tmp_path, lattice, log, words):
    with pytest.raises(InvalidInput, match=words):
        gg.io.write_gsd(tmp_path / "one.gsd", lattice(4, 5.0), log=log)
    assert not list(tmp_path.iterdir())
