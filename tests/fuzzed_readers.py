"""Every reader, a sound file of each kind it reads, and what must hold of a damaged one.

    python tests/fuzzed_readers.py FORMAT FILES SEED

damages that many files under the coverage-guided fuzzer atheris, which keeps those that reach new code; it ends at the first
that breaks a rule, and leaves it in the working directory.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import pickle
import random as chance
import resource
import shutil
import signal
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import jax
import numpy as np
import xarray
from mutations import mutated, pack, unpack

import glassgpu as gg
from glassgpu.engines import checkpoint
from glassgpu.evaluate.claims import read_claims
from glassgpu.io.detection import reader_of
from glassgpu.io.frames import FrameWriter
from glassgpu.models import GraphNetwork, MLPRegressor, load_network, save_network
from glassgpu.models.graph_network import SCALES
from glassgpu.study.result import Result
from glassgpu.study.status import stage_status
from glassgpu.study.store import write_result

SECONDS, BYTES = 5.0, 1 << 30  # of one file, at most
MARKER = "MARKER"  # what exploits would make
MEMORY = Path("/dev/shm")  # folders are made and removed faster there
Files = dict[str, bytes]


class Format(NamedTuple):
    """A kind of file: sound ones, under the name that each has, and what reads them."""

    samples: Callable[[], list[tuple[str, Files]]]
    read: Callable[[Path], Any]


def files_of(path: Path) -> Files:
    """A file, or a folder, as names and bytes."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def put(path: Path, files: Files) -> None:
    """Write what ``files_of`` gave."""
    if path.name in files:
        path.write_bytes(files[path.name])
        return
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def check(kind: str, name: str, files: Files, folder: Path) -> str:
    """Read one damaged file: ``"read"`` or ``"refused"``. Anything but a valid result or a named error within the limits of time
    and memory is an error here."""
    path = folder / name
    put(path, files)
    try:
        with limited(), warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                valid(FORMATS[kind].read(path))
                outcome, words = "read", 0
            except gg.errors.GlassGPUError as error:
                outcome, words = "refused", len(str(error))
            if kind in DETECTED:
                with contextlib.suppress(gg.errors.GlassGPUError):
                    reader_of(path)
    finally:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert words < 20_000, f"a message of {words} letters"
    assert not Path(MARKER).exists() and not (folder / MARKER).exists(), "a file ran code"
    return outcome


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Allocations beyond the budget fail, and so does what takes too long."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = now + BYTES if soft == resource.RLIM_INFINITY else min(soft, now + BYTES)

    def late(*_: Any) -> None:
        raise TimeoutError(f"a file took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def valid(result: Any) -> None:
    """Snapshots are in their boxes, labels have one number for each particle, networks predict."""
    if isinstance(result, (list, tuple)):
        for item in result:
            valid(item)
    elif isinstance(result, gg.Snapshot):
        assert np.isfinite(result.positions).all() and (np.abs(result.positions) <= result.box / 2).all() and result.types.min() >= 0
        assert repr(result)
    elif isinstance(result, gg.Ensemble):
        many = result.snapshot if isinstance(result.snapshot, list) else [result.snapshot]
        valid(many)
        assert result.propensity.sizes["particle"] == many[0].n and np.isfinite(result.times).all()
    elif isinstance(result, gg.io.Frames):
        for run, done in enumerate(result.done):
            for frame in range(min(int(done), 2)):
                valid(result.snapshot(run, frame))
            assert result.p_hop(run).shape == result.cumulative_squared_displacement(run).shape == result.unbroken_bonds(run).shape
            assert np.isfinite(result.unwrapped(run)).all() and len(result.times) == result.frames
        assert repr(result)


# ---------------------------------------------------------------- sound files


def snapshots(d: int = 3, n: int = 27, count: int = 2) -> list[gg.Snapshot]:
    random = np.random.default_rng(d)
    box = np.linspace(4.6, 5.0, d)
    return [
        gg.Snapshot(random.uniform(-2, 2, (n, d)), np.arange(n) % 2, box, random.normal(size=(n, d)), random.integers(-2, 3, (n, d)))
        for _ in range(count)
    ]


def made(name: str, write: Callable[[Path], Any]) -> tuple[str, Files]:
    """What a function writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path)
        return name, files_of(path)


def gsd_files() -> list[tuple[str, Files]]:
    return [made("a.gsd", lambda path, d=d: gg.io.write_gsd(path, snapshots(d), log={"p": np.ones((2, 27))})) for d in (2, 3)]


def pickles() -> list[tuple[str, Files]]:
    n = 12
    random = np.random.default_rng(1)
    start = random.uniform(0, 3, (n, 3))
    data = {
        "positions": start, "types": (np.arange(n) % 5 == 0).astype(np.int32), "box": np.full(3, 3.0), "time": [0.0, 1.0, 2.0, 5.0],
        "time_indices": [1, 3, 2], "metadata": {"temperature": 0.44, "pressure": 2.93, "fluid": "Kob Andersen"},
        "trajectory_target_positions": [[start + random.normal(0, 0.1, (n, 3)) for _ in range(3)] for _ in range(2)],
        "targets": [random.random(n) for _ in range(3)],
    }  # fmt: skip
    return [made("a.pickle", lambda path, p=p: path.write_bytes(pickle.dumps(data, protocol=p))) for p in (3, 4)]


def botan_files() -> list[tuple[str, Files]]:
    start = np.random.default_rng(2).uniform(0, 2, (15, 3))
    arrays = {
        "types": (np.arange(15) % 5 == 0).astype(np.int8),
        "initial_positions": start,
        "positions": start + np.zeros((3, 15, 3)) + 0.1,
    }
    return [
        made("isoconfig_N4096T0.44_1_tc07.npz", lambda path, save=save: save(path, **arrays)) for save in (np.savez, np.savez_compressed)
    ]


def glassbench_files() -> list[tuple[str, Files]]:
    random = np.random.default_rng(3)
    three = {
        "types": (np.arange(15) % 5 == 0) + 1, "initial_positions": random.normal(size=(15, 3)), "initial_positions_inherent": random.normal(size=(15, 3)),
        "md_prop": random.random((10, 15)), "bb_prop": random.random((10, 15)), "BOTAN": random.random((10, 15)),
    }  # fmt: skip
    start = random.uniform(-16, 16, (12, 2))
    two = {
        "box": np.float64(32.8962),
        "types": np.repeat([1, 2, 3], [6, 3, 3]),
        "initial_positions": start,
        "positions": start + random.normal(size=(4, 12, 2)),
    }
    return [
        made("N4096T0.44_1.npz", lambda path: np.savez(path, **three)),
        made("N1290T0.30_1_tc02.npz", lambda path: np.savez(path, **two)),
    ]


def checkpoints() -> list[tuple[str, Files]]:
    return [made("run.npz", lambda path: checkpoint.save(path, "key", {"x": np.arange(30.0), "text": np.array("abc")}))]


def networks() -> list[tuple[str, Files]]:
    """Not fitted, which takes seconds of compilation, but as they are after a fit."""
    random = np.random.default_rng(4)
    flat = MLPRegressor(hidden=(3,))
    flat.coefs_, flat.intercepts_, flat._one_target = (
        [random.normal(size=(4, 3)), random.normal(size=(3, 1))],
        [np.zeros(3), np.zeros(1)],
        True,
    )
    graph = GraphNetwork(layers=1, latent=4, node_encoder=(3,), node_hidden=(3,), decoder=(3,), edge_hidden=(4, 4), cutoff=1.5)
    facts = {
        "_seen": [0, 1],
        "_taught": [0],
        "_kinds": 2,
        "_features": 1,
        "targets_": 1,
        "_dimension": 3,
        "_edge_mean": 1.0,
        "_edge_scale": 0.5,
    }
    for name, value in {**facts, "_one_target": True, **{f"_{name}": np.ones((2, 1)) for name in SCALES}}.items():
        setattr(graph, name, value)
    graph.network_ = graph._new_network(0)
    for model in (flat, graph):
        model.n_parameters_ = 1  # what a fitted one is known by
    return [made("net.npz", lambda path, model=model: save_network(model, path)) for model in (flat, graph)]


def xyz_files() -> list[tuple[str, Files]]:
    text = io.StringIO()
    for s in snapshots(n=12):
        text.write(
            f'12\nLattice="{s.box[0]} 0 0 0 {s.box[1]} 0 0 0 {s.box[2]}" Properties=species:S:1:pos:R:3:id:I:1:vel:R:3 pbc="T T T" Time=0.5\n'
        )
        for i in range(12):
            numbers = " ".join(f"{x:.5f}" for x in s.positions[i]), i + 1, " ".join(f"{v:.5f}" for v in s.velocities[i])
            text.write(f"{'AB'[s.types[i]]} {numbers[0]} {numbers[1]} {numbers[2]}\n")
    return [("a.xyz", {"a.xyz": text.getvalue().encode()})]


def dumps() -> list[tuple[str, Files]]:
    out = []
    for columns in ("id type x y z ix iy iz vx vy vz", "element xsu ysu zsu id"):
        text = io.StringIO()
        for step, s in enumerate(snapshots(n=12)):
            text.write(
                f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n12\nITEM: BOX BOUNDS pp pp pp\n-2 2.6\n-2 2.8\n-2.0 3.0\nITEM: ATOMS {columns}\n"
            )
            for i in range(12):
                r, v = [f"{x:.5f}" for x in s.positions[i]], [f"{x:.5f}" for x in s.velocities[i]]
                row = [str(i + 1), str(s.types[i] + 1), *r, "0", "1", "-1", *v] if "ix" in columns else ["AB"[s.types[i]], *r, str(12 - i)]
                text.write(" ".join(row) + "\n")
        out.append(("a.dump", {"a.dump": text.getvalue().encode()}))
    return out


def claims() -> list[tuple[str, Files]]:
    text = """[demo.one]
what = "a number"
source = "TH figure 1"
value = [0.5, 1.5]
tolerance = "10 %"
scale = "smoke"
[demo.two]
what = "a range"
source = "II"
range = [1, 2]
scale = "paper"
[demo.three]
what = "a bound"
source = "LIN"
at_least = 0.3
scale = "laptop"
"""
    return [("claims.toml", {"claims.toml": text.encode()})]


def datasets() -> list[tuple[str, Files]]:
    names = xarray.DataArray(["a", "b", "c"], dims="feature")
    data = xarray.Dataset(
        {"x": (("particle", "feature"), np.arange(15.0).reshape(5, 3)), "n": ("particle", np.arange(5))}, {"feature": names}, {"T": 0.5}
    )
    foreign = data.drop_vars("feature")
    return [
        made("a.zarr", lambda path: gg.io.save_dataset(path, data)),
        made("v2.zarr", lambda path: foreign.to_zarr(path, zarr_format=2, consolidated=False)),
        made("v3.zarr", lambda path: foreign.to_zarr(path, zarr_format=3, consolidated=False)),
        made("e.zarr", lambda path: gg.io.save_dataset(path, glassbench_ensemble())),
    ]


def glassbench_ensemble() -> gg.Ensemble:
    name, files = glassbench_files()[0]
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder, name), files)
        return gg.io.read_glassbench(Path(folder, name))


def frames() -> list[tuple[str, Files]]:
    def write(path: Path) -> None:
        starts = snapshots(n=9)
        writer = FrameWriter(path, "identity", starts, 6, 0.5, 2, {"system": "x"}, [np.ones(9)] * 2)
        moved = np.stack([starts[0].positions + 0.01 * k for k in range(1, 6)])
        writer.write(0, 1, moved, np.zeros((5, 9)), np.zeros((5, 9)))
        writer.flush()

    return [made("frames.zarr", write)]


DESCRIPTOR = gg.descriptors.ShellExpansion(radial=((0.6, 1.2, 3, 0.1),), angular=(0.6, 1.2, 2, 0.1), backend="cpu")


def columns() -> list[tuple[str, Files]]:
    return [made("columns.zarr", lambda path: gg.io.write_columns(path, DESCRIPTOR, snapshots(), progress=False))]


KEY = "0123456789abcdef"


def stages() -> list[tuple[str, Files]]:
    values = {"x": np.arange(6.0), "s": snapshots(n=5)[0], "d": xarray.Dataset({"y": ("t", np.arange(3.0))}), "list": [1, None, {"a": "b"}]}
    record = {"name": "stage", "key": KEY, "version": 1, "parameters": {}, "seconds": 1.5, "provenance": {"date": "2026"}}

    def write(path: Path) -> None:
        path.mkdir()
        write_result(path, record, values)

    return [made("stage-0123456789abcdef", write)]


# ---------------------------------------------------------------- readers


def read_glassbench(path: Path) -> Any:
    out = [gg.io.read_glassbench(path)]
    if "tc" not in path.name:
        out += [gg.io.read_glassbench_states(path)]
        gg.io.read_glassbench_predictions(path)
    return out


def read_network(path: Path) -> None:
    model = load_network(path)
    if isinstance(model, MLPRegressor):
        assert len(model.predict(np.zeros((2, model.n_features_in_)))) == 2
    else:  # not predicted: a network compiled for each file takes a second
        assert model.n_parameters_ == sum(a.size for a in jax.tree.leaves(model.network_))


def read_dataset(path: Path) -> Any:
    data = gg.io.open_dataset(path)
    assert all(isinstance(v.values, np.ndarray) for v in data.variables.values())
    return gg.io.load_ensemble(path) if path.name == "e.zarr" else None


def read_columns(path: Path) -> None:
    gg.io.write_columns(path, DESCRIPTOR, snapshots(), progress=False)
    found = gg.io.open_dataset(path)["ShellExpansion"]
    assert found.shape == (2, 27, len(DESCRIPTOR.columns))


def read_stage(path: Path) -> Any:
    result = Result(path, KEY)
    return list(result.values())


def read_study(path: Path) -> None:
    stage_status(path)


def studies() -> list[tuple[str, Files]]:
    (_, stage), study = stages()[0], b'{"stages": ["stage", "other"]}'
    return [("study", {"study.json": study, **{f"stages/stage-{KEY}/{name}": data for name, data in stage.items()}})]


FORMATS = {
    "botan": Format(botan_files, gg.io.read_botan),
    "checkpoint": Format(checkpoints, lambda path: checkpoint.load(path, "key")),
    "columns": Format(columns, read_columns),
    "dump": Format(dumps, gg.io.read_lammps_dump),
    "frames": Format(frames, gg.io.open_frames),
    "glassbench": Format(glassbench_files, read_glassbench),
    "gsd": Format(gsd_files, gg.io.read_gsd),
    "network": Format(networks, read_network),
    "pickle": Format(pickles, gg.io.read_bapst),
    "stage": Format(stages, read_stage),
    "study": Format(studies, read_study),
    "toml": Format(claims, lambda path: read_claims("demo", path)),
    "xyz": Format(xyz_files, gg.io.read_extxyz),
    "zarr": Format(datasets, read_dataset),
}
DETECTED = ("botan", "dump", "frames", "glassbench", "gsd", "pickle", "xyz")


def campaign(kind: str, count: int, seed: int) -> dict[str, int]:
    """Check so many files, damaged by chance. An error names the file."""
    outcomes = {"read": 0, "refused": 0}
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        samples = FORMATS[kind].samples()
        for name, files in samples:
            assert check(kind, name, files, Path(folder)) == "read", f"the sound {name} is refused"
        for k in range(count):
            random = chance.Random(f"{kind} {seed} {k}")
            name, files = random.choice(samples)
            try:
                outcomes[check(kind, name, mutated(files, random), Path(folder))] += 1
            except BaseException as error:
                error.add_note(f"{kind}: file {k} of seed {seed}, {name}")
                raise
    return outcomes


def guided(kind: str, count: int, seed: int) -> None:
    """The same under atheris, which chooses what to damage further. Does not return."""
    import atheris

    samples = FORMATS[kind].samples()
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    corpus = folder / "corpus"
    corpus.mkdir()
    sound = [pack({"name": name.encode(), **{f"/{n}": data for n, data in files.items()}}) for name, files in samples]
    for k, packed in enumerate(sound):
        (corpus / f"{k}").write_bytes(packed)
    tally = {"read": 0, "refused": 0, "slowest": 0.0}

    def one(data: bytes) -> None:
        try:
            found = unpack(data)
            name = found.pop("name").decode()
        except Exception:
            return  # what libFuzzer tries before it knows the corpus
        begun = time.perf_counter()
        tally[check(kind, name, {n[1:]: d for n, d in found.items()}, folder)] += 1
        tally["slowest"] = max(tally["slowest"], time.perf_counter() - begun)
        done = tally["read"] + tally["refused"]
        if done == count:
            print(f"{kind}: {count} files, seed {seed}, {tally}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)
        if done % 500 == 0:
            gc.collect()

    def mutate(data: bytes, _most: int, number: int) -> bytes:
        random = chance.Random(number)
        try:
            found = unpack(random.choice(sound) if random.random() < 0.5 else data)  # damage upon damage is refused too early
            name = found.pop("name")
        except Exception:
            return data
        return pack({"name": name, **mutated(found, random)})

    watched = (
        "glassgpu.io",
        "glassgpu.npz",
        "glassgpu.study",
        "glassgpu.evaluate.claims",
        "glassgpu.models.saved",
        "glassgpu.engines.checkpoint",
    )
    for module in [m for n, m in list(sys.modules.items()) if n.startswith(watched)]:
        for value in list(vars(module).values()):
            if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                atheris.instrument_func(value)
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-seed={seed}",
            "-max_len=1000000",
            "-timeout=20",
            "-rss_limit_mb=8192",
            "-verbosity=0",
            "-print_final_stats=1",
        ],
        one,
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    guided(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
