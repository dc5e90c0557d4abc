"""Scores of predictions: per species, pooled and per configuration, beside the noise ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu.errors import InvalidInput


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson coefficient of two vectors; NaN when one is constant.

    Args:
        a, b: (n,) each, in any units; what has more axes is flattened.

    Raises:
        InvalidInput: unequal lengths, or fewer than two values.

    Source: II section III.A.
    """
    a, b = np.asarray(a, float).ravel(), np.asarray(b, float).ravel()
    if a.shape != b.shape or len(a) < 2:
        raise InvalidInput(f"pearson needs two vectors of one length of at least 2, got {a.shape} and {b.shape}")
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else float("nan")


def r2(truth: np.ndarray, prediction: np.ndarray) -> float:
    """1 - sum of squared errors / sum of squares about the mean of the truth.

    Args:
        truth, prediction: of the same shape, both in the same units, in any units.

    Raises:
        InvalidInput: unequal shapes, or fewer than two values.
    """
    truth, prediction = np.asarray(truth, float), np.asarray(prediction, float)
    if truth.shape != prediction.shape or truth.size < 2:
        raise InvalidInput(f"r2 needs two arrays of one shape with at least 2 values, got {truth.shape} and {prediction.shape}")
    return float(1 - ((truth - prediction) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def report(
    truth: np.ndarray,
    prediction: np.ndarray,
    types: np.ndarray,
    configuration: np.ndarray,
    species: Sequence[str],
    ceiling: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Pearson coefficients of each species.

    Args:
        truth, prediction: (rows,) float64, both in the same units, in any units.
        types, configuration: (rows,) int.
        species: names by type.
        ceiling: (configurations, species) noise ceilings [1], printed beside.

    Returns:
        For each species present: ``pooled`` (all rows together), ``per_configuration`` (list in
        ascending order of configuration), ``mean`` and ``deviation`` over configurations,
        ``ceiling`` (list) and ``r2`` (pooled).

    Raises:
        InvalidInput: unequal lengths.

    Source: project notes, section 4 (honest splits).
    """
    truth, prediction = np.asarray(truth, float), np.asarray(prediction, float)
    types, configuration = np.asarray(types), np.asarray(configuration)
    shapes = [a.shape for a in (truth, prediction, types, configuration)]
    if len(shapes[0]) != 1 or len(set(shapes)) > 1:
        raise InvalidInput(
            "report needs truth, prediction, types and configuration of one shape (rows,), got " + ", ".join(map(str, shapes))
        )
    out: dict[str, dict[str, Any]] = {}
    for s, name in enumerate(species):
        of = types == s
        if of.sum() < 2:
            continue
        each = [pearson(truth[of & (configuration == c)], prediction[of & (configuration == c)]) for c in np.unique(configuration)]
        out[name] = {
            "pooled": pearson(truth[of], prediction[of]),
            "per_configuration": each,
            "mean": float(np.mean(each)),
            "deviation": float(np.std(each, ddof=1)) if len(each) > 1 else float("nan"),
            "ceiling": None if ceiling is None else [float(c) for c in np.asarray(ceiling)[:, s]],
            "r2": r2(truth[of], prediction[of]),
        }
    return out
