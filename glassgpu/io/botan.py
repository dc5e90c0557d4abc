"""The BOTAN data set (Shiba et al., J. Chem. Phys. 158, 084503 (2023))."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np

from glassgpu import validate
from glassgpu.dynamics import propensity
from glassgpu.engines.isoconfigurational import make_ensemble
from glassgpu.errors import FileFormatError, GlassGPUError
from glassgpu.io.file_names import file_names, same_shapes
from glassgpu.npz import load_npz
from glassgpu.types import Ensemble, Snapshot

DENSITY = 1.2  # the files hold no box: L = (N / 1.2)^(1/3), not rounded
TAU_ALPHA_044 = 13000.0  # time code 07 at T = 0.44
SPECIES = ("A", "B")


def read_botan(path: str | os.PathLike | Sequence[str | os.PathLike], time: float | None = None) -> Ensemble:
    """Isoconfigurational runs of the Kob-Andersen mixture, N = 4096, rho = 1.2.

    Args:
        path: ``isoconfig_N4096T<T>_<id>_tc<code>.npz``, or several for a configuration axis.
        time: of the final positions [time]; known for T = 0.44 with time code 07 (13000).

    Returns:
        Ensemble with one time. Displacements are without the drift of the centre of mass.

    Raises:
        InvalidInput: no file name.
        FileFormatError: of another format, truncated, a key missing, NaN, or an unknown time code.

    Source: Shiba et al., J. Chem. Phys. 158, 084503 (2023).
    """
    paths, many = file_names(path)
    snapshots, means, variances = [], [], []
    for p in paths:
        data = load_npz(p, ("types", "initial_positions", "positions"))
        try:
            start = validate.array("initial_positions", data["initial_positions"], np.float64, (None, 3))
            runs = validate.array("positions", data["positions"], np.float64, (None, len(start), 3))
            snapshot = Snapshot(start, data["types"], np.full(3, max(1.0, len(start) / DENSITY) ** (1 / 3)))
            if snapshot.types.max() >= len(SPECIES):
                raise FileFormatError(f"types holds {snapshot.types.max()}; this mixture has the types 0 and 1")
            with np.errstate(over="ignore", invalid="ignore"):
                mean, variance = propensity(start, runs)
            if not np.isfinite(variance).all():
                raise FileFormatError("its displacements are too large to be numbers")
        except GlassGPUError as error:
            raise FileFormatError(f"{p}: {error}") from error
        snapshots.append(snapshot)
        means.append(mean[None])
        variances.append(variance[None])
    same_shapes(paths, snapshots)
    found = re.search(r"T(\d+(?:\.\d+)?)_\d+_tc(\d+)", os.path.basename(paths[0]))
    temperature = float(found.group(1)) if found else float("nan")
    if time is None:
        if not found or (found.group(1), found.group(2)) != ("0.44", "07"):
            raise FileFormatError(f"{paths[0]}: the time of this file is not known; give time=")
        time = TAU_ALPHA_044
    time = validate.number("time", time, least=0)
    attrs = {
        "temperature": temperature,
        "replicas": len(runs),
        "source": "BOTAN",
        "system": "Kob-Andersen",
        "time_unit": "sqrt(m sigma^2 / epsilon)",
    }
    return make_ensemble(snapshots, many, np.array([time]), np.stack(means), np.stack(variances), SPECIES, attrs)
