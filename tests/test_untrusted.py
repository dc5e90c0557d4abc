"""Files made to do harm: nothing in them is run, nothing of the size that they claim is allocated, and the error has a name."""

from __future__ import annotations

import builtins
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray
from fuzzed_readers import limited
from sound_files import KEY, networks, pickles, put, stages

import glassgpu as gg
from glassgpu.engines import checkpoint
from glassgpu.errors import CheckpointMismatch, FileFormatError, ForbiddenPickle, GlassGPUError, OutputNotWritable
from glassgpu.evaluate.claims import read_claims
from glassgpu.io.pickles import load_pickle
from glassgpu.models import load_network
from glassgpu.npz import load_npz
from glassgpu.study.result import Result
from glassgpu.study.status import stage_status


class Calls:
    """A pickle of it calls a function."""

    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


def exploits(marker: Path) -> dict[str, bytes]:
    """Ways in which a pickle runs what it names; all make the marker under ``pickle.loads``."""
    command = f"touch {marker}"
    text = command.encode()
    short = bytes([len(text)]) + text
    python = f"open({str(marker)!r}, 'w').close()"
    chained = Calls(getattr(builtins, "getattr"), Calls(__import__, "os"), "system")  # noqa: B009
    out = {
        "os.system": pickle.dumps(Calls(os.system, command), 2),
        "posix.system by protocol 4": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c" + short + b"\x85R.",
        "eval": pickle.dumps(Calls(eval, python), 3),
        "exec": pickle.dumps(Calls(exec, python), 4),
        "open": pickle.dumps(Calls(open, str(marker), "w"), 5),
        "subprocess": pickle.dumps(Calls(subprocess.call, ["touch", str(marker)]), 4),
        "in text": b"cos\nsystem\n(S'" + text + b"'\ntR.",
        "a chain of getattr": pickle.dumps({"positions": chained}, 4)[:-1] + b"0cos\nsystem\n(V" + text + b"\ntR.",
        "INST": b"(S'" + text + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'" + text + b"'\no.",
        "NEWOBJ": b"\x80\x02cos\nsystem\n(S'" + text + b"'\ntR0c_io\nFileIO\n(S'" + str(marker).encode() + b"'\nS'w'\nt\x81.",
        "NEWOBJ_EX": b"\x80\x04cos\nsystem\n(S'" + text + b"'\ntR0c_io\nFileIO\n(S'" + str(marker).encode() + b"'\nS'w'\nt}\x92.",
        "BUILD with __setstate__": b"\x80\x02ctypes\nSimpleNamespace\n)R}(X\x0c\x00\x00\x00__setstate__cos\nsystem\nubX" + struct.pack("<I", len(text)) + text + b"b.",
        "in an array": pickle.dumps({"positions": np.array([Calls(os.system, command)], object)}, 4),
        "in the state of an array": pickle.dumps({"box": [np.zeros(3), Calls(os.system, command)]}, 3),
        "after a dtype": pickle.dumps([np.dtype("f8"), Calls(os.system, command)], 2),
        "in a key": pickle.dumps({"a": 1}, 2)[:-1] + b"cos\nsystem\n(S'" + text + b"'\ntRK\x01s.",
        "popped and forgotten": b"cos\nsystem\n(S'" + text + b"'\ntR0}.",
        "before what is sound": b"cos\nsystem\n(S'" + text + b"'\ntR0" + pickle.dumps({"positions": np.zeros((3, 3))}, 2),
        "numpy's own runner": b"cnumpy.testing._private.utils\nrunstring\n(S'" + python.replace("'", '"').encode() + b"'\n}tR.",
    }  # fmt: skip
    return out


@pytest.mark.parametrize("name", exploits(Path("m")))
def test_no_pickle_is_run(tmp_path, name):
    """Each exploit works where pickle reads it, which shows that this test could fail; here nothing happens."""
    marker, path = tmp_path / "marker", tmp_path / "evil.pickle"
    data = exploits(marker)[name]
    works = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import pickle, sys; pickle.load(sys.stdin.buffer)"], input=data, capture_output=True
    )
    assert marker.exists() or b"runstring" in data, works.stderr
    marker.unlink(missing_ok=True)
    path.write_bytes(data)
    for read in (load_pickle, gg.io.read_bapst, gg.io.read):
        with pytest.raises(ForbiddenPickle, match=r"not loaded|not run|only"):
            read(path)
    assert not marker.exists() and sorted(p.name for p in tmp_path.iterdir()) == ["evil.pickle"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\x01.", b"\x83\x01\x00.", b"\x84\x01\x00\x00\x00.",  # EXT1, EXT2, EXT4
        b"Pname\n.", b"K\x01Q.",  # PERSID, BINPERSID
        b"\x80\x05\x97.", b"\x80\x05\x97\x98.",  # NEXT_BUFFER, READONLY_BUFFER
        b"\x80\x04\x8f.", b"\x80\x04(\x91.", b"N2.", b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00a.",  # sets, DUP, BYTEARRAY8
        b"cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.", b"cnumpy\nndarray\n)\x81.", b"cnumpy\ndtype\n)\x81.", b"cnumpy\nfromfile\n(S'/etc/passwd'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\nK\x00\x85C\x01btR.", b"cnumpy.core.multiarray\n_reconstruct\n(S'numpy ndarray'\nK\x00\x85C\x01btR.",
        b"S'_reconstruct'\n(S'numpy ndarray'\ntR.", b"]}b.", b"cnumpy\ndtype\n(S'O8'\ntR.",
    ],
)  # fmt: skip
def test_what_arrays_do_not_need_is_refused(tmp_path, data):
    path = tmp_path / "a.pickle"
    path.write_bytes(data)
    with pytest.raises(ForbiddenPickle):
        load_pickle(path)


def bombs() -> dict[str, bytes]:
    """Few bytes that stand for many."""
    laughs = b"]q\x00" + b"".join(b"]q" + bytes([k]) + b"(" + (b"h" + bytes([k - 1])) * 10 + b"e" for k in range(1, 12))
    state = pickle.dumps(np.zeros(3), 3)
    return {
        "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"a.",
        "text": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"a.",
        "a frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
        "a place in the memo": b"Nr" + struct.pack("<I", 2**32 - 1) + b"r" + struct.pack("<I", 2**31) + b".",
        "a whole number": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"a.",
        "digits": b"I" + b"9" * 100_000 + b"\n.",
        "an array": state.replace(b"K\x03\x85", b"\x8a\x06" + (2**40).to_bytes(6, "little") + b"\x85"),
        "an array of nothing": state.replace(b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00U0").replace(b"K\x03\x85", b"\x8a\x06" + (2**40).to_bytes(6, "little") + b"\x85"),
        "lists of lists": b"\x80\x02" + laughs + b".",
        "lists in lists": b"]" * 1_000_000 + b"a" * 999_999 + b".",
        "tuples in tuples": b")" + b"\x85" * 1_000_000 + b".",
        "a dtype in a dtype": b"\x80\x02cnumpy\ndtype\n(X\x0f\x00\x00\x00(1048576,9999)ftR.",
        "itself": b"]q\x00h\x00a.",
    }  # fmt: skip


@pytest.mark.parametrize("name", bombs())
def test_no_pickle_fills_the_memory(tmp_path, name):
    path = tmp_path / "a.pickle"
    path.write_bytes(bombs()[name])
    with limited():
        if name in ("a frame", "a place in the memo"):  # which claim much, and hold nothing
            assert load_pickle(path) is None
            return
        with pytest.raises(FileFormatError):
            load_pickle(path)


def test_arrays_that_are_lists_are_refused(tmp_path):
    """Lists in lists that share their parts stand for any number of numbers: NumPy would make them all."""
    sound = pickles()[0][1]["a.pickle"]
    row = [0.0] * 1000
    data = {**pickle.loads(sound), "positions": [[row] * 1000] * 1000}
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(data))
    with limited(), pytest.raises(FileFormatError, match=r"more than 1,000,000 values"):
        gg.io.read_bapst(tmp_path / "a.pickle")
    data["positions"] = [[0.0, 1.0, 2.0]] * 12
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(data))
    with pytest.raises(FileFormatError, match="positions is a list, not an array"):
        gg.io.read_bapst(tmp_path / "a.pickle")


# ---------------------------------------------------------------- npz


def npz(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return path


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def told(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


def readers_of_npz(folder: Path) -> list:
    """Everything that reads an npz file, as functions of its path."""
    stage = folder / "stage"

    def result(path: Path):
        put(stage, stages()[0][1])
        (stage / "arrays.npz").write_bytes(path.read_bytes())
        return dict(Result(stage, KEY))

    return [
        gg.io.read_botan, gg.io.read_glassbench, gg.io.read_glassbench_states, gg.io.read_glassbench_predictions, gg.io.read, load_network,
        lambda path: checkpoint.load(path, "key"), result,
    ]  # fmt: skip


KEYS = ("types", "initial_positions", "initial_positions_inherent", "positions", "md_prop", "about", "key", "0000.x")


def test_pickles_in_arrays_are_not_run(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "N4096T0.44_1.npz"
    for payload in exploits(marker).values():
        npz(path, **dict.fromkeys(KEYS, npy(told("(1,)", "'|O'"), payload)))
        for read in readers_of_npz(tmp_path):
            with pytest.raises(FileFormatError):
                read(path)
    with pytest.raises(ForbiddenPickle, match="holds Python objects"):
        gg.io.read_botan(path)
    for payload in exploits(marker).values():  # numpy.load takes a bare pickle for one
        path.write_bytes(payload)
        for read in readers_of_npz(tmp_path):
            with pytest.raises(FileFormatError):
                read(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "array",
    [
        npy(told("(1099511627776,)")), npy(told("(1099511627776,)"), bytes(64)), npy(told("(-1,)"), bytes(8)), npy(told("(4294967296, 4294967296)"), bytes(8)),
        npy(told("(1099511627776,)", "'<U0'")), npy(told("(3, -3)"), bytes(72)), npy(told("(3,)", "'|V0'")), npy(told("3"), bytes(24)),
        npy(told("(3,)", "[('a', '|O')]"), bytes(24)), npy(told("(3,)", "'(9999999,)<f8'"), bytes(24)), npy("(" * 9000), npy("__import__('os')"), npy(""),
        npy(told("(True,)"), bytes(8)), npy(told(str((1,) * 70)), bytes(8)), b"\x93NUMPY\x09\x00", b"", npy(told("(2,)", "'>M8[ns]'"), bytes(16)),
    ],
)  # fmt: skip
def test_heads_of_arrays_that_lie(tmp_path, array):
    path = npz(tmp_path / "N4096T0.44_1.npz", **dict.fromkeys(KEYS, array))
    for read in readers_of_npz(tmp_path):
        with limited(), pytest.raises(GlassGPUError):
            read(path)


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
def test_sound_archives(tmp_path):
    """Whatever NumPy writes without pickles comes back, nothing at all too."""
    random = np.random.default_rng(0)
    arrays = {
        "none": np.zeros((5, 0)), "number": np.array(2.5), "text": np.array(["a", "σ"]), "empty text": np.array(""), "fortran": np.asfortranarray(random.random((3, 4))),
        "flags": np.array([True, False]), "big": np.arange(4, dtype=">i8"), "times": np.array(["2020-01-01"], "M8[s]"), "wave": np.array([1j]),
        "fields": np.array([(1, 2.0)], [("a", "i4"), ("σ", "f8")]),
    }  # fmt: skip
    for save in (np.savez, np.savez_compressed):
        for some in (arrays, {}):
            save(tmp_path / "a.npz", **some)
            found = load_npz(tmp_path / "a.npz")
            assert found.keys() == some.keys()
            for name, array in some.items():
                assert found[name].dtype == array.dtype and found[name].shape == array.shape and found[name].tobytes() == array.tobytes()
    with pytest.raises(FileFormatError, match=r"lacks \['x'\]"):
        load_npz(tmp_path / "a.npz", ["x"])


def test_archives_that_unpack_to_too_much(tmp_path):
    path = tmp_path / "isoconfig_N4096T0.44_1_tc07.npz"
    np.savez(path, types=np.zeros(3), initial_positions=np.zeros((3, 3)), positions=np.zeros((2, 3, 3)))
    whole = path.read_bytes()
    directory = whole.rfind(b"PK\x01\x02")
    lying = whole[: directory + 24] + struct.pack("<I", 2**32 - 2) + whole[directory + 28 :]
    with zipfile.ZipFile(io.BytesIO(), "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("types.npy", npy(told("(3,)"), bytes(24)))
        packed = file.fp
        file.close()
        other = packed.getvalue()
    first = whole[directory:].find(b"PK\x05\x06")
    twice = whole[: directory + first] + whole[directory : directory + first] + whole[directory + first :]
    for data in (lying, other, twice, whole[:100], b"PK\x05\x06" + bytes(18)):
        path.write_bytes(data)
        with limited(), pytest.raises(FileFormatError):
            gg.io.read_botan(path)


# ---------------------------------------------------------------- networks


def changed(folder: Path, which: int, change) -> Path:
    """A sound network whose description or arrays a function has changed."""
    name, files = networks()[which]
    put(folder / name, files)
    with np.load(folder / name) as file:
        arrays = {key: file[key] for key in file.files}
    about = json.loads(str(arrays["about"]))
    arrays["about"] = None
    change(about, arrays)
    if arrays["about"] is None:
        arrays["about"] = np.array(json.dumps(about))
    np.savez(folder / name, **arrays)
    return folder / name


@pytest.mark.parametrize(
    ("which", "change", "message"),
    [
        (0, lambda about, a: about["facts"].update(layers=2**40), "layers=1099511627776"),
        (0, lambda about, a: about["facts"].update(layers=0), "at least 1"),
        (0, lambda about, a: about["facts"].update(one_target="yes"), "one_target"),
        (0, lambda about, a: about["parameters"].update(checkpoint="/etc/passwd"), "are not those of MLPRegressor"),
        (0, lambda about, a: about["parameters"].pop("epochs"), "are not those of MLPRegressor"),
        (0, lambda about, a: about.update(parameters=[]), "parameters is a list"),
        (0, lambda about, a: about.update(model=["MLPRegressor"]), "model is a list"),
        (0, lambda about, a: about.update(model="os.system"), "KeyError"),
        (0, lambda about, a: about.update(format=99), "format 99"),
        (0, lambda about, a: a.update({"weights 0": np.zeros((4, 4))}), "do not follow one another"),
        (0, lambda about, a: a.update({"weights 0": np.zeros(4)}), "weights of shapes"),
        (0, lambda about, a: a.update({"weights 0": np.full((4, 3), np.nan)}), "not finite numbers"),
        (0, lambda about, a: a.update({"weights 0": np.array("text")}), "not finite numbers"),
        (1, lambda about, a: about["parameters"].update(latent=10**9), "weights, but the settings ask for"),
        (1, lambda about, a: about["parameters"].update(layers=10**9), "weights, but the settings ask for"),
        (1, lambda about, a: about["parameters"].update(node_hidden=[2**40]), "weights, but the settings ask for"),
        (1, lambda about, a: about["parameters"].update(edge_hidden=[4]), "give two widths"),
        (1, lambda about, a: about["parameters"].update(edges="both"), "choose one of"),
        (1, lambda about, a: about["parameters"].update(cutoff=-1), "must be above 0"),
        (1, lambda about, a: about["facts"].update(_kinds=2**40), "_kinds="),
        (1, lambda about, a: about["facts"].update(_kinds=3), "cannot reshape|weights, but"),
        (1, lambda about, a: about["facts"].update(_seen=[0, 7]), "_seen=7"),
        (1, lambda about, a: about["facts"].update(_edge_scale=float("nan")), "_edge_scale"),
        (1, lambda about, a: about["facts"].pop("_features"), "_features"),
        (1, lambda about, a: a.pop("leaf 3"), "weights, but the settings ask for"),
        (1, lambda about, a: a.update({"leaf 0": a["leaf 0"].ravel()}), "not of the shapes"),
    ],
)  # fmt: skip
def test_networks_that_are_not_what_they_say(tmp_path, which, change, message):
    path = changed(tmp_path, which, change)
    with limited(), pytest.raises(FileFormatError, match=f"no network of save_network, or damaged .*({message})"):
        load_network(path)


def test_sound_networks_are_read(tmp_path):
    flat = load_network(changed(tmp_path, 0, lambda about, a: None))
    assert flat.predict(np.ones((2, 4))).shape == (2,)
    graph = load_network(changed(tmp_path, 1, lambda about, a: None))
    assert graph.n_parameters_ == sum(leaf.size for leaf in jax.tree.leaves(graph.network_))


def test_text_that_is_nested_too_deep(tmp_path):
    """JSON in JSON in JSON, which the standard library gives up with an error that has nothing to do with files."""
    deep = "[" * 100_000
    (tmp_path / "study.json").write_text(deep)
    with pytest.raises(FileFormatError, match=r"study.json is damaged"):
        stage_status(tmp_path)
    checkpoint.save(tmp_path / "run.npz", deep, {})
    with pytest.raises(CheckpointMismatch, match="another version"):
        checkpoint.load(tmp_path / "run.npz", "{}")
    (tmp_path / "zarr.json").write_text(deep)
    with pytest.raises(OutputNotWritable, match="something else"):
        gg.io.save_dataset(tmp_path, xarray.Dataset())
    for read in (gg.io.open_dataset, gg.io.open_frames, gg.io.read):
        with pytest.raises(FileFormatError):
            read(tmp_path)
    (tmp_path / "claims.toml").write_text(f"x = {deep}")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_claims("demo", tmp_path / "claims.toml")
    with pytest.raises(FileFormatError, match="no network of save_network"):
        load_network(changed(tmp_path, 0, lambda about, a: a.update(about=np.array(deep))))
