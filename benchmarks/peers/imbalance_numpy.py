"""Greedy selection by information imbalance in NumPy, without a sort per candidate; and one candidate with sorts.

Ranks in the target are found once, by one sort of each row, and kept: (N, N), as are the squared distances in the
columns chosen. A candidate then takes a few passes over N^2 numbers, some rows at a time so that they stay in the cache, on
all cores. No two distances may be equal.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

ROWS = 64  # at a time: the fastest of 8 to 256 for N = 4000 on two cores


class Greedy:
    """Selection from columns x (N, M) for a target y (N, targets)."""

    def __init__(self, x: np.ndarray, y: np.ndarray, threads: int):
        self.x, self.n, self.pool = np.ascontiguousarray(x.T), len(x), ThreadPoolExecutor(threads)
        self.base = np.zeros((self.n, self.n))
        self.ranks = np.empty((self.n, self.n), np.int16 if self.n < 2**15 else np.int32)
        self.nearest = np.empty(self.n, np.int64)  # in the target
        targets = np.ascontiguousarray(y.T)

        def rank(rows: slice) -> None:
            distance = sum(np.square(t[rows, None] - t) for t in targets)
            order = np.argsort(distance, axis=1)  # the point itself is first
            np.put_along_axis(self.ranks[rows], order, np.arange(self.n, dtype=self.ranks.dtype)[None], axis=1)
            self.nearest[rows] = order[:, 1]

        self._over_rows(rank)
        np.fill_diagonal(self.base, np.inf)

    def _over_rows(self, f) -> list:
        return list(self.pool.map(f, (slice(k, min(k + ROWS, self.n)) for k in range(0, self.n, ROWS))))

    def sums(self, candidate: int, both: bool) -> tuple[int, int]:
        """Sums of ranks of the columns chosen and a candidate."""
        x = self.x[candidate]

        def some(rows: slice) -> tuple[int, int]:
            index = np.arange(rows.start, rows.stop)
            distance = np.subtract(x[rows, None], x)
            np.multiply(distance, distance, out=distance)
            np.add(self.base[rows], distance, out=distance)
            forward = int(self.ranks[index, distance.argmin(axis=1)].sum(dtype=np.int64))
            if not both:
                return forward, 0
            limit = distance[np.arange(len(index)), self.nearest[rows]]
            return forward, len(index) + int(np.count_nonzero(distance < limit[:, None]))

        forward, backward = zip(*self._over_rows(some), strict=True)
        return sum(forward), sum(backward)

    def choose(self, candidate: int) -> None:
        """Add a candidate to the columns chosen."""
        x = self.x[candidate]

        def add(rows: slice) -> None:
            self.base[rows] += np.square(x[rows, None] - x)

        self._over_rows(add)

    def select(self, n_features: int, both: bool) -> tuple[list[int], np.ndarray]:
        """Features by the first or by both directions, and (n_features, 2) both directions of each step."""
        features: list[int] = []
        path = []
        while len(features) < n_features:
            left = [c for c in range(len(self.x)) if c not in features]
            found = [self.sums(c, both) for c in left]
            best = int(np.argmin([sum(f) if both else f[0] for f in found]))
            features.append(left[best])
            path.append(self.sums(left[best], True))
            self.choose(left[best])
        return features, np.array([[2 * ranks / self.n**2 for ranks in pair] for pair in path])


def sorted_candidate(x: np.ndarray, y_ranks: np.ndarray, y_nearest: np.ndarray) -> tuple[int, int]:
    """Sums of ranks of columns x (N, d) by a full sort of each row, as DADApy finds them, ranks in the target given."""
    n, forward, backward = len(x), 0, 0
    for k in range(0, n, ROWS):
        rows = np.arange(k, min(k + ROWS, n))
        distance = sum(np.square(c[rows, None] - c) for c in x.T)
        order = np.argsort(distance, axis=1)
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(n)[None], axis=1)
        forward += int(y_ranks[rows, order[:, 1]].sum(dtype=np.int64))
        backward += int(ranks[np.arange(len(rows)), y_nearest[rows]].sum())
    return forward, backward
