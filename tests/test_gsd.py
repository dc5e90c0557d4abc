"""GSD files come back bit for bit and open elsewhere; those of other programs are read."""

from __future__ import annotations

import freud
import gsd.fl
import gsd.hoomd
import gsd.pygsd
import numpy as np
import pytest
from stored import assert_same_bits, foreign, plain, random_snapshot

import glassgpu as gg
from glassgpu.errors import FileFormatError, InvalidInput, UnknownSpecies
from glassgpu.io import gsd_files


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


@pytest.mark.parametrize("far", [1e17, 1e20, 1e300])
def test_positions_whose_place_is_lost_to_rounding(far):
    for box in (1.0, 2.3207944):
        with pytest.raises(InvalidInput, match="cannot be wrapped"):
            gg.Snapshot([[0.0, far, 0.0], [0.0, 0.0, 0.0]], [0, 0], np.full(3, box))
    assert gg.Snapshot([[0.0, far, 0.0], [0.0, 0.0, 0.0]], [0, 0], np.full(3, 10 * far)).positions[0, 1] == far


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
