"""What solvers ask of linear algebra: by BLAS on a CPU, by JAX on a GPU, in double precision.

A solver is written once, in operations that NumPy and JAX share; here are those in which they differ.
On one core XLA multiplies half as fast as BLAS and compiles for seconds for every new shape.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.linalg
import threadpoolctl

from glassgpu.launch import threads_available

CHUNK = 1024  # rows that are scaled and multiplied while they are in cache
BLOCK = 8 * CHUNK  # rows that one thread takes

_ONE_AT_A_TIME = threading.Lock()  # how many threads BLAS has is known to the whole process


@functools.cache
def _libraries() -> threadpoolctl.ThreadpoolController:
    """Of linear algebra, found once: looking for them takes as long as a small fit."""
    return threadpoolctl.ThreadpoolController()


@contextmanager
def single_threaded() -> Iterator[None]:
    """BLAS has one thread: with more, they wait for one another at each of many small steps, ten times as long on a busy machine."""
    with _ONE_AT_A_TIME, _libraries().limit(limits=1, user_api="blas"):
        yield


def _run(which: np.ndarray) -> np.ndarray | slice:
    """Numbers that follow one another as a slice, which copies nothing."""
    whole = len(which) and which[-1] - which[0] == len(which) - 1
    return slice(int(which[0]), int(which[-1]) + 1) if whole else which


class Blas:
    """NumPy arrays on a CPU."""

    xp = np

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The matrix product a b."""
        return a @ b

    def gram(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The sum of weights[i] rows[i] rows[i]', (columns, columns), of rows (n, columns) and weights (n,) of any sign.

        Rows of weight 0 cost nothing, and a product of a matrix with itself costs BLAS half.
        """
        roots = np.sqrt(np.abs(weights))

        def part(which: np.ndarray) -> np.ndarray:
            out = np.zeros((rows.shape[1], rows.shape[1]))
            for first in range(0, len(which), CHUNK):
                some = _run(which[first : first + CHUNK])
                scaled = rows[some] * roots[some, None]
                out += scaled.T @ scaled
            return out

        total = np.zeros((rows.shape[1], rows.shape[1]))
        for sign in (1, -1):
            some = np.flatnonzero(sign * weights > 0)
            parts = [some[first : first + BLOCK] for first in range(0, len(some), BLOCK)]
            if len(parts) < 2:
                total += sign * part(some)
                continue
            with ThreadPoolExecutor(min(threads_available(), len(parts))) as pool:
                for found in pool.map(part, parts):  # summed in the order of the rows, however many threads there are
                    total += sign * found
        return total

    def solver(self, matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The function that solves matrix x = b, by Cholesky's factor; all NaN where the matrix is not positive."""
        try:
            factor = scipy.linalg.cho_factor(matrix, lower=True, check_finite=False)
        except scipy.linalg.LinAlgError:
            return lambda b: np.full_like(b, np.nan)
        return lambda b: scipy.linalg.cho_solve(factor, b, check_finite=False)

    def repeat(self, unfinished: Callable[[Any], Any], step: Callable[[Any], Any], state: Any) -> Any:
        """``step`` applied as long as ``unfinished``."""
        while unfinished(state):
            state = step(state)
        return state


class Jax:
    """The same for arrays that JAX traces."""

    def __init__(self) -> None:
        import jax.numpy as jnp

        self.xp = jnp

    def product(self, a, b):
        return self.xp.matmul(a, b, precision="highest")

    def gram(self, rows, weights):
        return self.product(rows.T * weights, rows)

    def solver(self, matrix):
        from jax.scipy.linalg import cho_factor, cho_solve

        factor = cho_factor(matrix, lower=True)
        return lambda b: cho_solve(factor, b)

    def repeat(self, unfinished, step, state):
        from jax.lax import while_loop

        return while_loop(unfinished, step, state)
