"""p_hop, cumulative squared displacement, and who is counted as rearranging."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu import dynamics
from glassgpu.dynamics import Hops
from glassgpu.launch import Cpu


def slow_p_hop(positions, h):
    """TH section 3.2.2, one particle, one frame, one component after another."""
    frames, n, d = positions.shape
    out = np.full((frames, n), np.nan)
    for i in range(n):
        for t in range(h, frames - h):
            before, after = range(t - h, t + 1), range(t, t + h + 1)

            def stray(here, there, i=i):
                total = 0.0
                for f in here:
                    for k in range(d):
                        mean = sum(positions[g, i, k] for g in there) / len(there)
                        total += (positions[f, i, k] - mean) ** 2
                return total / len(here)

            out[t, i] = np.sqrt(stray(before, after) * stray(after, before))
    return out


def slow_csd(positions, window):
    frames, n, _ = positions.shape
    out = np.full((frames, n), np.nan)
    for t in range(window, frames):
        for i in range(n):
            out[t, i] = sum(((positions[s, i] - positions[s - 1, i]) ** 2).sum() for s in range(t - window + 1, t + 1)) / window
    return out


def walk(frames, n, d, seed=0):
    """Noisy hops of unequal sizes at unequal times."""
    random = np.random.default_rng(seed)
    out = 0.1 * random.normal(size=(frames, n, d))
    for i in range(n):
        for t in random.choice(np.arange(1, frames), 2, replace=False):
            out[t:, i] += random.normal(size=d) * random.uniform(0.2, 1.5)
    return out


@pytest.mark.parametrize(("d", "h"), [(2, 1), (2, 4), (3, 5), (3, 2)])
def test_p_hop_is_its_definition(d, h):
    positions = walk(2 * h + 7, 5, d)
    found = dynamics.p_hop(positions, 2 * h, remove_drift=False)
    slow = slow_p_hop(positions, h)
    np.testing.assert_allclose(found, slow, rtol=1e-12)
    assert np.isnan(found[:h]).all() and np.isnan(found[-h:]).all() and np.isfinite(found[h:-h]).all()
    np.testing.assert_allclose(
        dynamics.cumulative_squared_displacement(positions, 2 * h, remove_drift=False), slow_csd(positions, 2 * h), rtol=1e-12
    )


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("h", [1, 5, 8])
def test_a_unit_hop(d, h):
    """(h / (h + 1))^(3/2) at the frame after it; 0.7607 for h = 5."""
    direction = np.random.default_rng(d).normal(size=d)
    positions = np.zeros((4 * h + 2, 1, d))
    positions[2 * h :, 0] = direction / np.linalg.norm(direction)
    found = dynamics.p_hop(positions, 2 * h, remove_drift=False)
    assert found[2 * h, 0] == pytest.approx((h / (h + 1)) ** 1.5, rel=1e-12)
    assert np.nanargmax(found[:, 0]) in (2 * h - 1, 2 * h)  # the frames before and after it
    if h == 5:
        assert found[2 * h, 0] == pytest.approx(0.7607, abs=5e-5)


def test_rotation_translation_images_order():
    positions = walk(20, 6, 3)
    plain = dynamics.p_hop(positions)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    np.testing.assert_allclose(dynamics.p_hop(positions @ turn.T + [1, -2, 3]), plain, rtol=1e-10)
    order = np.random.default_rng(2).permutation(6)
    np.testing.assert_allclose(dynamics.p_hop(positions[:, order]), plain[:, order], rtol=1e-12)
    box = np.array([6.0, 7.0, 8.0])
    wrapped = (positions + 3.1) % box
    np.testing.assert_allclose(dynamics.p_hop(wrapped, box=box), plain, rtol=1e-9)
    np.testing.assert_allclose(
        dynamics.cumulative_squared_displacement(wrapped, box=box), dynamics.cumulative_squared_displacement(positions), rtol=1e-9
    )


@pytest.mark.parametrize("d", [2, 3])
def test_uniform_drift_is_no_hop(d):
    drift = np.arange(15)[:, None, None] * np.linspace(0.1, 0.3, d)
    positions = np.random.default_rng(0).normal(size=(1, 7, d)) + drift
    assert np.nanmax(dynamics.p_hop(positions)) < 1e-28 and np.nanmin(dynamics.p_hop(positions, remove_drift=False)) > 1e-3
    assert np.nanmax(dynamics.cumulative_squared_displacement(positions)) < 1e-28


# ---------------------------------------------------------------- in a run


@pytest.fixture(scope="module", params=["liquid", "film"])
def watched(request, tmp_path_factory):
    """Positions kept in memory, and the same runs with frames in a store: molecular dynamics in space, Monte Carlo in the plane."""
    if request.param == "liquid":
        system = gg.systems.kob_andersen(n=150)
        start = gg.equilibrate(system, temperature=1.0, duration=2, seed=1, accept=None, backend="cpu", progress=False)
        run, hops, times = gg.simulate.md, Hops(interval=0.1, half_window=3), 0.1 * np.arange(1, 25)
    else:
        system = gg.systems.ternary_2d(n=150)
        start = gg.equilibrate(system, temperature=1.0, duration=40, seed=1, accept=None, backend="cpu", progress=False)
        run, hops, times = gg.simulate.mc, Hops(interval=5, half_window=3), 5.0 * np.arange(1, 25)
    path = tmp_path_factory.mktemp("frames") / "run.zarr"
    how = dict(temperature=1.0, replicas=2, seed=4, backend="cpu", progress=False, cage_relative=False)
    kept = run(system, start, times=times, keep_positions=True, frames=path, hops=hops, **how)
    positions = np.concatenate([np.tile(start.positions, (2, 1, 1, 1)), kept.positions], axis=1)
    return system, start, run, hops, times, how, positions, gg.io.open_frames(path)


def test_a_run_computes_the_same_while_it_goes(watched):
    system, start, *_, hops, times, _, positions, frames = watched
    assert (frames.done == 25).all() and frames.times[3] == pytest.approx(times[2])
    mass = np.asarray(system.mass)[start.types]
    assert (mass == 1).all()  # the drift of dynamics.p_hop is that of equal masses
    for r in range(2):
        for found, wanted in (
            (frames.p_hop(r), dynamics.p_hop(positions[r], 2 * hops.half_window)),
            (frames.cumulative_squared_displacement(r), dynamics.cumulative_squared_displacement(positions[r], 2 * hops.half_window)),
        ):
            assert found.dtype == np.float32 and np.nanmax(found) > 0.01
            np.testing.assert_allclose(found, wanted, rtol=2e-7, atol=1e-12)
        np.testing.assert_allclose(frames.unwrapped(r) - frames.unwrapped(r)[0], positions[r] - positions[r][0], atol=1e-8)
        bonds = frames.unbroken_bonds(r)
        assert np.array_equal(bonds[0], dynamics.initial_neighbors(system, start).count) and (bonds[1:] <= bonds[0]).all()
        share = dynamics.bond_breaking(system, start, positions[r][1:])
        np.testing.assert_array_equal(bonds[1:], np.rint(share * bonds[0]))
        assert bonds[-1].sum() < bonds[0].sum()
        seen = frames.snapshots(r, [0, 7, 24])
        apart = np.stack([s.positions for s in seen]) - positions[r][[0, 7, 24]]
        assert np.abs(apart - start.box * np.rint(apart / start.box)).max() < 1e-8


def test_columns_of_examples(watched):
    """Each example's row of the columns of its frame, in any order, frames of several runs mixed."""
    system, *_, frames = watched
    describe = gg.descriptors.BehlerParrinello(
        species=system.species, cutoff=2.0, r_max=float(frames.box.min()) / 2, backend="cpu", coarse_graining=None
    )
    random = np.random.default_rng(0)
    run, frame, particle = random.integers(0, 2, 40), random.choice([0, 3, 17, 20, 24], 40), random.integers(0, 150, 40)
    found = frames.columns(describe, run, frame, particle)
    for k in range(40):
        assert np.array_equal(found[k], describe(frames.snapshot(run[k], frame[k])).values[particle[k]])
    for wrong in ((run, frame, particle + 150), (run + 2, frame, particle), (run, frame + 24, particle), (run, frame[1:], particle)):
        with pytest.raises(gg.errors.InvalidInput):
            frames.columns(describe, *wrong)


def test_replicas_are_counted(watched):
    system, start, _, hops, times, how, positions, _ = watched
    hops = Hops(hops.interval, hops.half_window, threshold=0.02, squared_displacement=0.02)
    asked = [times[0], times[9], times[16]]
    runs = gg.isoconfigurational(system, start, times=asked, labels=("rearrangement",), hops=hops, **how)
    counts = runs.rearrangements
    assert counts.dims == ("label", "hop_time", "particle") and counts.hop_time.values.tolist() == pytest.approx(asked[1:])
    hop = np.stack([dynamics.p_hop(x, 6) for x in positions]) > 0.02
    moved = np.stack([dynamics.cumulative_squared_displacement(x, 6) for x in positions]) > 0.02
    for k, frame in enumerate((10, 17)):
        assert np.array_equal(counts.sel(label="p_hop")[k], hop[:, frame].sum(axis=0))
        assert np.array_equal(counts.sel(label="any")[k], hop[:, : frame + 1].any(axis=1).sum(axis=0))
        assert np.array_equal(counts.sel(label="csd")[k], moved[:, frame].sum(axis=0))
    assert 0 < counts.sel(label="p_hop").sum() < counts.sel(label="any").sum() < counts.size
    later = gg.isoconfigurational(
        system, start, times=asked, labels=("rearrangement",), hops=Hops(hops.interval, 3, 0.02, 0.02, since=asked[1]), **how
    )
    assert np.array_equal(later.rearrangements.sel(label="any")[1], hop[:, 10:18].any(axis=1).sum(axis=0))
    back = gg.io.ensemble_from(gg.io.ensemble_dataset(runs))
    assert back.rearrangements.equals(counts)


def test_a_label_keeps_its_definition(watched, tmp_path):
    system, start, run, hops, times, how, _, frames = watched
    wanted = {
        "hop_interval": hops.interval,
        "hop_half_window": 3,
        "hop_threshold": 0.02,
        "hop_squared_displacement": 0.03,
        "hop_since": times[3],
    }
    given = Hops(hops.interval, 3, 0.02, 0.03, since=times[3])
    ensemble = gg.isoconfigurational(system, start, times=[times[9]], labels=("rearrangement",), hops=given, **how)
    gg.io.save_dataset(tmp_path / "ensemble.zarr", ensemble)
    back = gg.io.load_ensemble(tmp_path / "ensemble.zarr")
    for attrs in (ensemble.attrs, ensemble.rearrangements.attrs, back.attrs, back.rearrangements.attrs):
        assert {name: value for name, value in attrs.items() if name.startswith("hop_")} == wanted
    stored = {name: value for name, value in frames.attrs.items() if name.startswith("hop_")}
    assert stored == {"hop_interval": hops.interval, "hop_half_window": 3, "hop_threshold": 0.2, "hop_squared_displacement": 0.0966}
    plain = gg.isoconfigurational(system, start, times=[times[9]], **how)
    assert not [name for name in plain.attrs if name.startswith("hop_")]
    odd = Hops(hops.interval, np.int64(3), np.float32(0.5), 1)  # numbers that a store of text would refuse
    run(system, start, duration=times[9], frames=tmp_path / "odd.zarr", hops=odd, **how)
    assert gg.io.open_frames(tmp_path / "odd.zarr").attrs["hop_threshold"] == 0.5


@pytest.mark.parametrize("way", [{"batch": 1}, {"chunk": 7}, {"threads": 3}, {"batch": 3, "chunk": 33}])
def test_no_bit_depends_on_how_the_work_is_cut(watched, tmp_path, way):
    system, start, run, hops, times, how, _, frames = watched
    run(system, start, duration=times[-1], frames=tmp_path / "run.zarr", hops=hops, **how, **way)
    again = gg.io.open_frames(tmp_path / "run.zarr")
    for r in range(2):
        assert np.array_equal(again.p_hop(r), frames.p_hop(r), equal_nan=True)
        assert np.array_equal(again.unwrapped(r), frames.unwrapped(r))
        assert np.array_equal(again.cumulative_squared_displacement(r), frames.cumulative_squared_displacement(r), equal_nan=True)
        assert np.array_equal(again.unbroken_bonds(r), frames.unbroken_bonds(r))


def test_shuffled_phases(watched, monkeypatch):
    system, start, _, hops, times, how, *_ = watched
    hops = Hops(hops.interval, hops.half_window, threshold=0.02, squared_displacement=0.02)
    given = {"times": [times[9]], "labels": ("rearrangement",), "hops": hops, **how}
    plain = gg.isoconfigurational(system, start, **given)
    from glassgpu.engines import calls as module

    monkeypatch.setattr(module, "choose_engine", lambda engine, *_: (engine, Cpu(2, shuffled=True)))
    assert plain.rearrangements.equals(gg.isoconfigurational(system, start, **given).rearrangements)


def test_stopped_and_continued(watched, tmp_path, monkeypatch):
    """Frames after the last checkpoint are written again, with the same values."""
    from glassgpu.engines.runs import Run

    system, start, run, hops, times, how, _, frames = watched
    given = dict(duration=times[-1], frames=tmp_path / "run.zarr", hops=hops, checkpoint=tmp_path / "run.npz", chunk=15, **how)
    original, done = Run._run_chunk, []

    def stopping(self, steps):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(1)
        original(self, steps)

    monkeypatch.setattr(Run, "_run_chunk", stopping)
    with pytest.raises(gg.errors.Interrupted):
        run(system, start, **given)
    partly = gg.io.open_frames(tmp_path / "run.zarr")
    assert partly.done.min() < partly.frames
    with pytest.raises(gg.errors.InvalidInput, match="holds frames 0 to"):
        partly.snapshots(1, [24])
    monkeypatch.undo()
    run(system, start, **given)
    again = gg.io.open_frames(tmp_path / "run.zarr")
    for r in range(2):
        assert np.array_equal(again.p_hop(r), frames.p_hop(r), equal_nan=True) and np.array_equal(again.unwrapped(r), frames.unwrapped(r))
    with pytest.raises(gg.errors.CheckpointMismatch, match="seed was 4 and is now 5"):
        run(system, start, **{**given, "seed": 5, "checkpoint": None})


@pytest.mark.parametrize("finished", [False, True])
def test_a_store_that_was_removed_is_missed(watched, tmp_path, monkeypatch, finished):
    """A checkpoint that is ahead of its frames would leave a gap that nobody fills."""
    import shutil

    from glassgpu.engines.runs import Run

    system, start, run, hops, times, how, *_ = watched
    given = dict(duration=times[-1], frames=tmp_path / "run.zarr", hops=hops, checkpoint=tmp_path / "run.npz", chunk=15, **how)
    original, done = Run._run_chunk, []

    def stopping(self, steps):
        if len(done) == 5 and not finished:
            raise KeyboardInterrupt
        done.append(1)
        original(self, steps)

    monkeypatch.setattr(Run, "_run_chunk", stopping)
    if finished:
        run(system, start, **given)
    else:
        with pytest.raises(gg.errors.Interrupted):
            run(system, start, **given)
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "run.zarr")
    with pytest.raises(gg.errors.CheckpointMismatch, match="lacks frames"):
        run(system, start, **given)


def test_cage_relative_hops(tmp_path):
    """In the plane p_hop is of displacements less those of the first neighbours."""
    system = gg.systems.ternary_2d(n=150)
    start = gg.equilibrate(system, temperature=1.0, duration=20, seed=1, accept=None, backend="cpu", progress=False)
    how = dict(temperature=1.0, seed=2, backend="cpu", progress=False)
    kept = gg.simulate.mc(
        system,
        start,
        times=5 * np.arange(1, 16),
        keep_positions=True,
        frames=tmp_path / "f.zarr",
        hops=Hops(interval=5, half_window=3),
        **how,
    )
    moved = dynamics.cage_relative(system, start, dynamics.displacements(start.positions, kept.positions[0]))
    wanted = dynamics.p_hop(np.concatenate([np.zeros((1, 150, 2)), moved]), 6, remove_drift=False)
    np.testing.assert_allclose(gg.io.open_frames(tmp_path / "f.zarr").p_hop(0), wanted, rtol=2e-7)


# ---------------------------------------------------------------- bad input


def test_bad_input(watched, tmp_path):
    system, start, run, hops, times, how, positions, frames = watched
    bad = gg.errors.InvalidInput
    with pytest.raises(bad, match="even number"):
        dynamics.p_hop(positions[0], 5)
    with pytest.raises(bad, match="at least 11"):
        dynamics.p_hop(positions[0][:10])
    with pytest.raises(bad, match="NaN"):
        dynamics.p_hop(np.where(positions[0] > 1, np.nan, positions[0]))
    for wrong in ({"interval": 0}, {"half_window": 0}, {"threshold": -1}, {"squared_displacement": 0}, {"since": -1}):
        with pytest.raises(bad, match=next(iter(wrong))):
            Hops(**wrong)
    with pytest.raises(bad, match="give the path of a store"):
        run(system, start, duration=times[-1], hops=hops, **{**how, "cage_relative": None})
    with pytest.raises(bad, match="no whole number of steps"):
        run(system, start, duration=times[-1], frames=tmp_path / "a", hops=Hops(interval=hops.interval * 1.0001), **how)
    with pytest.raises(bad, match=rf"one window of p_hop; give a duration of at least {times[5]:g}"):
        run(system, start, duration=times[3], frames=tmp_path / "a", hops=hops, **how)
    with pytest.raises(bad, match="Hops"):
        run(system, start, duration=times[-1], frames=tmp_path / "a", hops=1, **how)
    with pytest.raises(bad, match="name 'rearrangement'"):
        gg.isoconfigurational(system, start, times=[times[9]], hops=hops, **how)
    with pytest.raises(bad, match="none of times"):
        gg.isoconfigurational(system, start, times=[times[1]], labels=("rearrangement",), hops=hops, **how)
    late = Hops(hops.interval, 3, since=times[14])
    with pytest.raises(bad, match=f"since={times[14]:g} is after {times[9]:g}, the last of times"):
        gg.isoconfigurational(system, start, times=[times[9]], labels=("rearrangement",), hops=late, **how)
    assert not (tmp_path / "a").exists()
    (tmp_path / "something").write_text("else")
    with pytest.raises(gg.errors.OutputNotWritable, match="holds something else"):
        run(system, start, duration=times[-1], frames=tmp_path / "something", hops=hops, **how)
    with pytest.raises(gg.errors.FileFormatError, match="no frames"):
        gg.io.open_frames(tmp_path / "something")
    for read in (lambda: frames.snapshot(2, 0), lambda: frames.p_hop(2), lambda: frames.unwrapped(-1), lambda: frames.unbroken_bonds(7)):
        with pytest.raises(bad, match="run"):
            read()
    with pytest.raises(bad, match="the time of a frame"):
        run(system, start, duration=times[-1], frames=tmp_path / "a", hops=Hops(hops.interval, 3, since=1.5 * hops.interval), **how)


def test_damage_is_noticed(watched, tmp_path):
    import shutil

    *_, frames = watched
    shutil.copytree(frames.path, tmp_path / "copy")
    file = next((tmp_path / "copy" / "position" / "c" / "0").rglob("0"))
    file = file if file.is_file() else next(f for f in file.rglob("*") if f.is_file())
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(gg.errors.FileFormatError, match="damaged"):
        gg.io.open_frames(tmp_path / "copy").snapshot(0, 3)


def test_a_store_larger_than_it_begins(watched, tmp_path):
    """Frames that are not there yet are no lie about its size; what nobody could have written is."""
    from glassgpu.io.frames import FrameWriter

    _, start, *_ = watched
    FrameWriter(tmp_path / "long", "of a test", [start], 1_000_000, 0.1, 10, {})
    frames = gg.io.open_frames(tmp_path / "long")
    assert frames.frames == 1_000_000 and frames.done.tolist() == [1]
    assert np.allclose(frames.snapshot(0, 0).positions, start.positions, atol=1e-6)
    with pytest.raises(gg.errors.InvalidInput, match="frames"):
        FrameWriter(tmp_path / "longer", "of a test", [start], 10**8, 0.1, 10, {})
    file = tmp_path / "long" / "position" / "zarr.json"
    file.write_text(file.read_text().replace("16,", "100000,"))
    with pytest.raises(gg.errors.FileFormatError, match="position has chunks"):
        gg.io.open_frames(tmp_path / "long")


def test_frames_that_memory_has_no_room_for(watched, monkeypatch):
    *_, frames = watched
    monkeypatch.setattr("glassgpu.memory._available", lambda held=0: 1 << 10)
    for read in (frames.p_hop, frames.unwrapped):
        with pytest.raises(gg.errors.OutOfMemory, match=r"of \d+ frames take .* GiB are free: ask for fewer"):
            read(0)
