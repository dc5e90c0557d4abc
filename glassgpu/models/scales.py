"""How far columns scatter."""

from __future__ import annotations

import numpy as np


def deviation(values: np.ndarray) -> np.ndarray:
    """Standard deviation of each column of (rows, columns), NaN left out; 1 for columns that are constant.

    Scaled by the largest number first: columns of cold states have deviations down to 1e-22 and are not constant.
    """
    largest = np.maximum(np.nanmax(np.abs(values), axis=0), np.finfo(float).tiny)
    found = np.nanstd(values / largest, axis=0) * largest
    return np.where(np.nanmax(values, axis=0) > np.nanmin(values, axis=0), np.maximum(found, np.finfo(float).tiny), 1.0)
