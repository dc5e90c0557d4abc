"""A small sound file of every kind that is read, as names and bytes."""

from __future__ import annotations

import io
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray

import glassgpu as gg
from glassgpu.engines import checkpoint
from glassgpu.io.frames import FrameWriter
from glassgpu.models import GraphNetwork, MLPRegressor, save_network
from glassgpu.models.graph_network import SCALES
from glassgpu.study.store import write_result

Files = dict[str, bytes]


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


def studies() -> list[tuple[str, Files]]:
    (_, stage), study = stages()[0], b'{"stages": ["stage", "other"]}'
    return [("study", {"study.json": study, **{f"stages/stage-{KEY}/{name}": data for name, data in stage.items()}})]
