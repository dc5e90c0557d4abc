"""A small experiment for tests/test_study.py, run as a program: ``small_study.py FOLDER``.

It saves a checkpoint after every chunk of a few steps, so that little is done between two kills.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import glassgpu as gg
from glassgpu.engines import runs


def equilibrated(checkpoint, **given):
    return {"snapshots": gg.equilibrate(checkpoint=checkpoint, progress=False, backend="cpu", **given)}


def released(liquids, checkpoint, **given):
    ensemble = gg.isoconfigurational(
        snapshot=liquids["snapshots"], checkpoint=checkpoint, progress=False, backend="cpu", chunk=40, batch=3, **given
    )
    return {"ensemble": ensemble}


def shuffled(ensemble, seed):
    propensity = ensemble["ensemble"].propensity.values
    return {"mean": propensity.mean(axis=-1), "order": np.random.default_rng(seed).permutation(propensity.shape[-1])}


def fitted(ensemble, shuffle):
    p = ensemble["ensemble"].propensity.values[..., shuffle["order"]]
    return {"slope": np.linalg.lstsq(p[0, 0][:, None], p[0, -1], rcond=None)[0], "first": float(p[0, 0, 0])}


def run(folder: Path) -> None:
    runs.SECONDS_PER_CHECKPOINT = 0.0
    system = gg.systems.kob_andersen(n=250)
    study = gg.Study(folder, stages=("liquids", "ensemble", "shuffle", "fit"))
    liquids = study.stage("liquids", equilibrated, system=system, temperature=0.9, duration=1.0, seed=3, configurations=2)
    ensemble = study.stage("ensemble", released, system=system, liquids=liquids, temperature=0.9, times=[0.1, 0.5, 2.0], replicas=4, seed=4)
    shuffle = study.stage("shuffle", shuffled, ensemble=ensemble, seed=5)
    study.stage("fit", fitted, ensemble=ensemble, shuffle=shuffle)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
