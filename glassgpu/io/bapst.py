"""The data set of Bapst et al. (Nature Physics 16, 448 (2020))."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from glassgpu.dynamics import propensity
from glassgpu.engines.isoconfigurational import make_ensemble
from glassgpu.errors import FileFormatError, GlassGPUError
from glassgpu.io.untrusted import file_names, load_pickle
from glassgpu.types import Ensemble, Snapshot


def read_bapst(path: str | os.PathLike | Sequence[str | os.PathLike]) -> Ensemble:
    """Isoconfigurational runs of the Kob-Andersen mixture at constant pressure, N = 4096.

    Args:
        path: a pickle of that data set, or several of equal times for a configuration axis.

    Returns:
        Ensemble at the file's ten times in ascending order. Where the file holds trajectories,
        the propensity comes from them (centre-of-mass drift removed) with its error; where it
        holds only ``targets``, those are taken and the error and ceiling are NaN.
        ``attrs["tau_alpha"]`` is the time of F_s = 1/e.

    Raises:
        ForbiddenPickle: anything but NumPy arrays in it.
        InvalidInput: no file name.
        FileFormatError: of another format, truncated, a key missing, NaN or shapes that do not fit.

    Source: Bapst et al., Nature Physics 16, 448 (2020).
    """
    paths, many = file_names(path)
    parts = [_read_one(p) for p in paths]
    times = parts[0][1]
    if any(not np.allclose(part[1], times) for part in parts):
        raise FileFormatError("these files are at different times; read them one by one")
    attrs = {**parts[0][4], "source": "Bapst et al. 2020", "system": "Kob-Andersen", "time_unit": "sqrt(m sigma^2 / epsilon)"}
    return make_ensemble(
        [p[0] for p in parts], many, times, np.stack([p[2] for p in parts]), np.stack([p[3] for p in parts]), ("A", "B"), attrs
    )


def _read_one(path: str) -> tuple[Snapshot, np.ndarray, np.ndarray, np.ndarray, dict]:
    """Snapshot, times, propensity and variance of the mean (time, N), attributes."""
    data = load_pickle(path)
    needed = {"positions", "types", "box", "time", "time_indices", "metadata"}
    if not isinstance(data, dict) or not needed <= data.keys():
        raise FileFormatError(f"{path}: expected a dictionary with {sorted(needed)}")
    try:
        snapshot = Snapshot(data["positions"], data["types"], data["box"])
        start = np.asarray(data["positions"], float)
        indices = np.asarray(data["time_indices"], int)
        times = np.asarray(data["time"], float)[indices]
        mean, variance = np.full((len(times), snapshot.n), np.nan), np.full((len(times), snapshot.n), np.nan)
        runs = data.get("trajectory_target_positions", [])
        for k in range(len(times)):
            if k < len(runs):
                mean[k], variance[k] = propensity(start, np.stack(runs[k]))
            elif "targets" in data:
                mean[k] = data["targets"][k]
        if not np.isfinite(mean).all():
            raise FileFormatError("propensities are missing or not finite")
        metadata = dict(data["metadata"])
        attrs = {
            "temperature": float(metadata["temperature"]),
            "pressure": float(metadata["pressure"]),
            "replicas": len(runs[0]) if len(runs) else 0,
            "tau_alpha": float(times[-1]),
        }
    except (GlassGPUError, KeyError, IndexError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: {error}") from error
    order = np.argsort(times)
    return snapshot, times[order], mean[order], variance[order], attrs
