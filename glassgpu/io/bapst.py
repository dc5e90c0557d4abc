"""The data set of Bapst et al. (Nature Physics 16, 448 (2020))."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from glassgpu import validate
from glassgpu.dynamics import propensity
from glassgpu.engines.isoconfigurational import make_ensemble
from glassgpu.errors import FileFormatError, GlassGPUError
from glassgpu.io.file_names import file_names, same_shapes
from glassgpu.io.pickles import load_pickle
from glassgpu.types import Ensemble, Snapshot

SPECIES = ("A", "B")


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
    if any(part[1].shape != times.shape or not np.allclose(part[1], times) for part in parts):
        raise FileFormatError("these files are at different times; read them one by one")
    same_shapes(paths, [part[0] for part in parts])
    attrs = {**parts[0][4], "source": "Bapst et al. 2020", "system": "Kob-Andersen", "time_unit": "sqrt(m sigma^2 / epsilon)"}
    return make_ensemble(
        [p[0] for p in parts], many, times, np.stack([p[2] for p in parts]), np.stack([p[3] for p in parts]), SPECIES, attrs
    )


def _read_one(path: str) -> tuple[Snapshot, np.ndarray, np.ndarray, np.ndarray, dict]:
    """Snapshot, times, propensity and variance of the mean (time, N), attributes."""
    data = load_pickle(path)
    needed = {"positions", "types", "box", "time", "time_indices", "metadata"}
    if not isinstance(data, dict) or not needed <= data.keys():
        raise FileFormatError(f"{path}: expected a dictionary with {sorted(needed)}")
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is looked for below
            return _checked(data)
    except (GlassGPUError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"{path}: {error}") from error


def _checked(data: dict) -> tuple[Snapshot, np.ndarray, np.ndarray, np.ndarray, dict]:
    start = _stored("positions", data["positions"], (None, 3))
    shape = start.shape
    snapshot = Snapshot(start, _stored("types", data["types"], shape[:1]), _stored("box", data["box"], (3,)))
    if snapshot.types.max() >= len(SPECIES):
        raise FileFormatError(f"types holds {snapshot.types.max()}; this mixture has the types 0 and 1")
    recorded = validate.array("time", data["time"], np.float64, (None,))
    indices = validate.array("time_indices", data["time_indices"], np.int64, (None,))
    if not len(indices) or indices.min() < 0 or indices.max() >= len(recorded):
        raise FileFormatError(f"time_indices={indices.tolist()[:20]} of {len(recorded)} times")
    times = recorded[indices]
    mean, variance = np.full((len(times), snapshot.n), np.nan), np.full((len(times), snapshot.n), np.nan)
    runs = data.get("trajectory_target_positions", [])
    for k in range(len(times)):
        if k < len(runs):
            mean[k], variance[k] = propensity(start, np.stack([_stored("trajectory_target_positions", run, shape) for run in runs[k]]))
        elif "targets" in data:
            mean[k] = _stored("targets", data["targets"][k], shape[:1])
    if not np.isfinite(mean).all() or np.isinf(variance).any():
        raise FileFormatError("propensities are missing or not finite")
    metadata = dict(data["metadata"])
    attrs = {
        "temperature": validate.number("temperature", metadata["temperature"]),
        "pressure": validate.number("pressure", metadata["pressure"]),
        "replicas": len(runs[0]) if len(runs) else 0,
        "tau_alpha": float(times[-1]),
    }
    order = np.argsort(times)
    return snapshot, times[order], mean[order], variance[order], attrs


def _stored(name: str, value: object, shape: tuple) -> np.ndarray:
    """An array that the file holds as one: lists in lists can stand for more numbers than memory holds."""
    if not isinstance(value, np.ndarray):
        raise FileFormatError(f"{name} is a {type(value).__name__}, not an array")
    return validate.array(name, value, np.int32 if name == "types" else np.float64, shape)
