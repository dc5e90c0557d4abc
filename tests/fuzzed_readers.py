"""Every reader, a sound file of each kind it reads, and what must hold of a damaged one.

    python tests/fuzzed_readers.py FORMAT FILES SEED

damages that many files under the coverage-guided fuzzer atheris, which keeps those that reach new code; it ends at the first
that breaks a rule, and leaves it in the working directory.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random as chance
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
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
from mutations import mutated, pack, unpack
from sound_files import (
    DESCRIPTOR,
    KEY,
    Files,
    botan_files,
    checkpoints,
    claims,
    columns,
    datasets,
    dumps,
    frames,
    glassbench_files,
    gsd_files,
    networks,
    pickles,
    put,
    snapshots,
    stages,
    studies,
    xyz_files,
)

import glassgpu as gg
from glassgpu.engines import checkpoint
from glassgpu.evaluate.claims import read_claims
from glassgpu.io.detection import reader_of
from glassgpu.models import MLPRegressor, load_network
from glassgpu.study.result import Result
from glassgpu.study.status import stage_status

SECONDS, BYTES = 5.0, 1 << 30  # of one file, at most
MARKER = "MARKER"  # what exploits would make
MEMORY = Path("/dev/shm")  # folders are made and removed faster there


class Format(NamedTuple):
    """A kind of file: sound ones, under the name that each has, and what reads them."""

    samples: Callable[[], list[tuple[str, Files]]]
    read: Callable[[Path], Any]


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
            return
        begun = time.perf_counter()
        try:
            tally[check(kind, name, {n[1:]: d for n, d in found.items()}, folder)] += 1
        except BaseException:  # at interpreter exit the fuzzer would wait for threads of libraries that wait for it
            traceback.print_exc()
            Path(f"broken-{kind}.json").write_bytes(data)
            print(f"{kind}: after {tally}, the file is kept as broken-{kind}.json", flush=True)
            os._exit(1)
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
            return data  # what libFuzzer tries before it knows the corpus
        try:
            return pack({"name": name, **mutated(found, random)})
        except BaseException:
            traceback.print_exc()
            os._exit(1)

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
