"""GSD files that are damaged or strange, and bad input to what writes them."""

from __future__ import annotations

import os

import gsd.fl
import gsd.hoomd
import gsd.pygsd
import numpy as np
import pytest
from stored import foreign, plain, random_snapshot

import glassgpu as gg
from glassgpu.errors import FileFormatError, InvalidInput, UnknownSpecies


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


@pytest.mark.parametrize("value", [2**64 - 1, 2**63, 2**59, 2**58 - 1, 2**40, 0, 3])
@pytest.mark.parametrize("field", [8, 16, 24, 32])  # where index and names lie, and how many entries they have
def test_heads_of_gsd_files_that_lie(tmp_path, field, value):
    """Some of these end the process in the C library, whose sums wrap around."""
    path = tmp_path / "a.gsd"
    gg.io.write_gsd(path, [random_snapshot(np.random.default_rng(3), 3) for _ in range(2)])
    data = bytearray(path.read_bytes())
    data[field : field + 8] = value.to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="does not lie in its" if value != 3 or field in (8, 24) else "no box|Corrupt"):
        gg.io.read_gsd(path)


@pytest.mark.parametrize(
    ("place", "width", "value"),
    [
        (8, 8, 2**62),
        (8, 8, 2**64 - 1),
        (16, 8, 2**62),
        (16, 8, 5),
        (16, 8, 2**63 + 1),
        (24, 4, 2**32 - 1),
        (24, 4, 0),
        (30, 1, 0),
        (30, 1, 12),
        (30, 1, 255),
    ],
)
def test_chunks_of_gsd_files_that_lie(tmp_path, place, width, value):
    """Rows, place, columns and type of one chunk; each entry of the index has 32 bytes from byte 256 on."""
    path = tmp_path / "a.gsd"
    gg.io.write_gsd(path, random_snapshot(np.random.default_rng(3), 3))
    data = bytearray(path.read_bytes())
    for entry in range(5):
        at = 256 + 32 * entry + place
        changed = bytes(data[:at]) + value.to_bytes(width, "little") + bytes(data[at + width :])
        path.write_bytes(changed)
        with pytest.raises(FileFormatError, match="its index"):
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
