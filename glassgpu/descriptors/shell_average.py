"""Averages of per-particle columns over neighbours: the recursion of paper CMP."""

from __future__ import annotations

import functools

import numpy as np

from glassgpu import validate
from glassgpu.device import in_double
from glassgpu.errors import InvalidInput
from glassgpu.structure.neighbors import neighbors
from glassgpu.types import Snapshot

CHUNK = 64


@functools.cache
def _kernel():
    import jax
    import jax.numpy as jnp

    @jax.jit
    def average(x, index, weight):
        def chunk(rows):
            indices, weights = rows
            total = x[indices] * weights[..., None]
            return total.sum(axis=1) / weights.sum(axis=1)[:, None]

        n = index.shape[0]
        extra = -n % CHUNK
        index = jnp.pad(index, ((0, extra), (0, 0)))
        weight = jnp.pad(weight, ((0, extra), (0, 0)), constant_values=1.0)
        shape = (-1, CHUNK, index.shape[1])
        return jax.lax.map(chunk, (index.reshape(shape), weight.reshape(shape))).reshape(-1, x.shape[1])[:n]

    return average


def shell_average(x: np.ndarray, snapshot: Snapshot, r_c: float = 2.1) -> np.ndarray:
    """x_i' = sum_j x_j e^(-r_ij / r_c) / sum_j e^(-r_ij / r_c) over r_ij < r_c, i itself included.

    Args:
        x: (N, columns) float64.
        snapshot: where the particles are.
        r_c: [length].

    Returns:
        (N, columns) float64, in the units of x.

    Source: CMP equation 6 (all species, i itself with weight 1).
    """
    x = validate.array("x", x, np.float64, (None, None))
    if len(x) != snapshot.n:
        raise InvalidInput(f"x has {len(x)} rows, the snapshot {snapshot.n} particles")
    near = neighbors(snapshot, r_c)
    itself = np.arange(snapshot.n, dtype=np.int32)[:, None]
    index = np.concatenate([itself, near.index], axis=1)
    weight = np.concatenate([np.ones((snapshot.n, 1)), np.exp(-near.distance / r_c)], axis=1)
    return in_double(_kernel(), x, index, weight)
