"""Kills a study before each of its operations on files, one after another: ``killed_study.py FOLDER``.

A forked child counts what it does inside the study's folder (opening, renaming, removing, making
folders) and sends itself SIGKILL before the n-th. Then the study is run again and must end as an
undisturbed one. A program of its own, because a process with threads should not fork.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

import glassgpu as gg
from glassgpu.engines.checkpoint import load, save
from glassgpu.study.status import stage_status
from glassgpu.study.store import read_arrays, read_record

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}


def drawn(n, seed):
    return {"x": np.random.default_rng(seed).normal(size=n), "name": "drawn"}


def summed(drawn, checkpoint):
    """Adds numbers up, with a checkpoint after every tenth, as an engine does."""
    found = load(checkpoint, "summed") or {"done": np.array(0), "total": np.array(0.0)}
    done, total = int(found["done"]), float(found["total"])
    while done < 30:
        total += drawn["x"][done : done + 10].sum()
        done += 10
        save(checkpoint, "summed", {"done": np.array(done), "total": np.array(total)})
    return {"total": total}


def run(folder: Path) -> None:
    study = gg.Study(folder, stages=("drawn", "summed"))
    study.stage("summed", summed, drawn=study.stage("drawn", drawn, n=30, seed=1))


def contents(folder: Path) -> dict:
    """All that the stages of a study returned, for comparison bit for bit."""
    out = {}
    for place in sorted((folder / "stages").iterdir()):
        arrays = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in read_arrays(place).items()}
        out[place.name] = (read_record(place)["values"], arrays)
    return out


def leftovers(folder: Path) -> list[str]:
    """Files that a finished study should not hold."""
    return [str(p) for p in folder.rglob("*") if (p.name.startswith(".") and p.name != ".lock") or p.parent.name == "work"]


def die_before(n: int, folder: Path) -> None:
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        if event in EVENTS and str(arguments[0]).startswith(str(folder)):
            count += 1
            if count == n:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main(root: Path) -> None:
    run(root / "undisturbed")
    expected = contents(root / "undisturbed")
    n = 0
    while True:
        n += 1
        folder = root / str(n)
        child = os.fork()
        if child == 0:
            die_before(n, folder)
            run(folder)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        if (folder / "study.json").exists():
            assert all(stage.state != "damaged" for stage in stage_status(folder)), n
        run(folder)
        assert contents(folder) == expected, n
        assert not leftovers(folder), (n, leftovers(folder))
        if not killed:
            break
    print(f"kills: {n - 1}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
