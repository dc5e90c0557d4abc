"""Everything that writes, in a folder that fills up or turns read-only halfway: ``hostile_places.py FOLDER KIND ...``.

Each writer must raise ``OutputNotWritable``, leave what was complete as it was, and end as an undisturbed one when it is called again in
a folder that is well. Kinds of trouble:

    limit        no file grows beyond 6 kB (RLIMIT_FSIZE): anywhere
    permissions  nothing below the folder may be written: without root's privilege to write everywhere (setpriv)
    full         no room at all    }
    nearly full  room for 12 kB    } in a mount namespace of one's own (unshare)
    read-only    a read-only mount }

A program of its own, because limits, privileges and mounts are those of a whole process.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xarray
from matplotlib.figure import Figure

import glassgpu as gg
from glassgpu import compile as compiler
from glassgpu import launch
from glassgpu.descriptors.shell_expansion import RADIAL
from glassgpu.dynamics import Hops
from glassgpu.engines import checkpoint, quench_run, runs
from glassgpu.errors import OutputNotWritable
from glassgpu.io import columns as io_columns
from glassgpu.models import MLPRegressor, load_network, moments_of_columns, save_network, stored, training
from glassgpu.report.page import Page

Break = Callable[[], None]


# ---------------------------------------------------------------- trouble


@contextlib.contextmanager
def limit(folder: Path) -> Iterator[Break]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def permissions(folder: Path) -> Iterator[Break]:
    def allow(mode: int) -> None:
        for path in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
            path.chmod(mode)

    try:
        yield lambda: allow(0o555)
    finally:
        allow(0o755)


@contextlib.contextmanager
def _mounted(folder: Path, left: int | None) -> Iterator[Break]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    filler, covered = folder / "filler", []

    def trouble() -> None:
        if left is None:  # over the writable mount, which running writers keep open
            subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
            covered.append(True)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
            return
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        os.truncate(filler, filler.stat().st_size - left)

    try:
        yield trouble
    finally:
        if covered:
            subprocess.run(["umount", str(folder)], check=True)
        filler.unlink(missing_ok=True)


def full(folder: Path) -> contextlib.AbstractContextManager[Break]:
    return _mounted(folder, 0)


def nearly_full(folder: Path) -> contextlib.AbstractContextManager[Break]:
    return _mounted(folder, 12 << 10)


def read_only(folder: Path) -> contextlib.AbstractContextManager[Break]:
    return _mounted(folder, None)


TROUBLE = {"limit": limit, "permissions": permissions, "full": full, "nearly full": nearly_full, "read-only": read_only}


# ---------------------------------------------------------------- writers


def at(share: float, then: Break) -> Callable[[float], None]:
    """For ``progress``: does something once so much is done."""
    waiting = [then]

    def told(done: float) -> None:
        seen.append(done)
        if done >= share and waiting:
            waiting.pop()()

    return told


seen: list[float] = []  # what progress was told


HOPS = Hops(interval=0.02, half_window=2, threshold=0.01)


class Writers:
    """What each writer leaves in a folder, as something to compare; ``then`` is called while it works."""

    def __init__(self) -> None:
        self.system = gg.systems.kob_andersen(n=350)
        self.quiet = {"backend": "cpu", "progress": False}
        self.liquids = gg.equilibrate(self.system, 1.0, 1.0, seed=1, configurations=4, accept=None, **self.quiet)
        random = np.random.default_rng(0)
        self.x = random.normal(size=(400, 6))
        self.y = self.x @ random.normal(size=6)

    def run(self, folder: Path, then: Break) -> list:
        found = gg.simulate.md(
            self.system, self.liquids[0], temperature=1.0, times=[0.2, 0.4], keep_positions=True, replicas=2, seed=2, batch=1, chunk=8,
            checkpoint=folder / "run.npz", backend="cpu", progress=at(0.4, then),
        )  # fmt: skip
        return [found.positions.tobytes()]

    def frames(self, folder: Path, then: Break, checkpoint: str | None = "frames.npz") -> list:
        gg.simulate.md(
            self.system, self.liquids[0], temperature=1.0, duration=0.8, replicas=2, seed=2, batch=1, chunk=40, hops=HOPS,
            frames=folder / "frames.zarr", checkpoint=checkpoint and folder / checkpoint, backend="cpu", progress=at(0.4, then),
        )  # fmt: skip
        frames = gg.io.open_frames(folder / "frames.zarr")
        return [
            frames.done.tolist(),
            *(f(run).tobytes() for f in (frames.unwrapped, frames.p_hop, frames.unbroken_bonds) for run in (0, 1)),
        ]

    def frames_alone(self, folder: Path, then: Break) -> list:
        return self.frames(folder, then, checkpoint=None)

    def quench(self, folder: Path, then: Break) -> list:
        found = gg.simulate.quench(
            self.system, self.liquids, batch=2, chunk=40, checkpoint=folder / "quench.npz", backend="cpu", progress=at(0.4, then)
        )
        return [s.positions.tobytes() for s in found.final]

    def training(self, folder: Path, then: Break) -> list:
        model = MLPRegressor(hidden=(32, 32), epochs=8, batch=100, seed=1, checkpoint=folder / "training.npz", progress=at(0.4, then))
        return [model.fit(self.x, self.y).predict(self.x).tobytes()]

    def study(self, folder: Path, then: Break) -> list:
        def large(folder: Path) -> dict:
            (folder / "kept").write_bytes(bytes(5000))
            then()
            return {"x": np.arange(8000.0)}

        study = gg.Study(folder / "study", stages=("first", "second"))
        first = study.stage("first", lambda: {"x": np.arange(10)})
        second = study.stage("second", large)
        return [first["x"].tobytes(), second["x"].tobytes(), (second.folder / "kept").read_bytes()]

    def gsd(self, folder: Path, then: Break) -> list:
        then()
        gg.io.write_gsd(folder / "liquids.gsd", self.liquids)
        return [s.positions.tobytes() for s in gg.io.read_gsd(folder / "liquids.gsd")]

    def dataset(self, folder: Path, then: Break) -> list:
        then()
        gg.io.save_dataset(folder / "data.zarr", xarray.Dataset({"x": ("i", self.x.ravel()), "y": ("j", self.y)}))
        data = gg.io.open_dataset(folder / "data.zarr")
        return [data.x.values.tobytes(), data.y.values.tobytes()]

    def columns(self, folder: Path, then: Break) -> list:
        describe = gg.descriptors.ShellExpansion(generations=1, radial=RADIAL[:2], backend="cpu")
        gg.io.write_columns(folder / "columns.zarr", describe, self.liquids, progress=at(0.4, then))
        return [gg.io.open_dataset(folder / "columns.zarr").ShellExpansion.values.tobytes()]

    def sums(self, folder: Path, then: Break) -> list:
        describe = gg.descriptors.ShellExpansion(generations=1, radial=RADIAL[:1], backend="cpu")
        store = gg.io.write_columns(folder / "described.zarr", describe, self.liquids, progress=False)
        found = moments_of_columns(store, np.resize(self.y, (4, 350)), checkpoint=folder / "sums.npz", progress=at(0.4, then))
        return [moments.scatter.tobytes() for moments in found]

    def report(self, folder: Path, then: Break) -> list:
        page = Page("Report", folder / "report")
        page.numbers = {"y": self.y}
        then()
        figure = Figure(layout="constrained")
        figure.subplots().plot(self.y)
        page.figure(figure, "picture", "A picture")
        page.write({"date": "never"})
        return sorted((p.name, p.stat().st_size) for p in (folder / "report").iterdir() if p.suffix != ".svg")

    def network(self, folder: Path, then: Break) -> list:
        model = MLPRegressor(hidden=(32, 32), epochs=1, batch=400, seed=1, progress=False).fit(self.x, self.y)
        then()
        save_network(model, folder / "network.npz")
        return [load_network(folder / "network.npz").predict(self.x).tobytes()]

    def kernel(self, folder: Path, then: Break) -> list:
        os.environ["GLASSGPU_CACHE"] = str(folder / "cache")
        try:
            constants = launch.Cpu(1).compile_constants(1, {"DIMENSION": 3, "SPECIES": 1, "LAW": 0, "DOUBLE": 0})
            constants["ARGUMENTS_SIZE"] = launch.struct_dtype("PhiloxArguments", constants).itemsize
            compiler.cache_folder()
            then()
            return [compiler.library("check_philox", constants).name]
        finally:
            os.environ["GLASSGPU_CACHE"] = CACHE


CACHE = os.environ.get("GLASSGPU_CACHE", "")
WRITERS = [name for name in vars(Writers) if not name.startswith("_")]
CONTINUED = ("run", "frames", "columns", "sums")  # from more than nothing: the share done when trouble came
REPLACED = ("gsd", "dataset", "report", "network")  # what was there stays


def leftovers(folder: Path) -> list[str]:
    return [str(p) for p in folder.rglob("*") if p.name.startswith(".") or p.name.endswith(".partial") or p.parent.name == "work"]


def main(root: Path, kinds: list[str]) -> None:
    runs.SECONDS_PER_CHECKPOINT = quench_run.SECONDS_PER_CHECKPOINT = training.SAVE_EVERY = stored.SAVE_EVERY = 0.0
    io_columns.BLOCK_BYTES = 1
    writers = Writers()
    for name in WRITERS:
        write = getattr(writers, name)
        well = root / name
        well.mkdir()
        expected = write(well, lambda: None)
        for kind in kinds:
            folder = root / f"{name} {kind}"
            folder.mkdir()
            with TROUBLE[kind](folder) as trouble:
                if name in REPLACED:
                    assert write(folder, lambda: None) == expected
                    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
                try:
                    write(folder, trouble)
                except OutputNotWritable as error:
                    print(f"{kind}, {name}: {error}", flush=True)
                else:
                    raise AssertionError(f"{kind}: {name} has written where nothing can be written")
                if name in REPLACED:
                    for path, content in before.items():
                        assert path.read_bytes() == content, path
            for kept in folder.glob("*.npz"):
                if name not in REPLACED:
                    with np.load(kept) as found:
                        assert checkpoint.load(kept, str(found["key"])), kept  # whole
            seen.clear()
            assert write(folder, lambda: None) == expected, (kind, name)
            if name in CONTINUED:
                assert seen[0] >= 0.4, (kind, name, seen)
            assert not leftovers(folder), leftovers(folder)
            if "full" in kind or kind == "read-only":
                subprocess.run(["umount", "--lazy", str(folder)], check=True)  # gsd keeps open what it could not finish


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
