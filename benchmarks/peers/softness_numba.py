"""The columns of ``Softness`` by Numba: what a careful user would write with a just-in-time compiler.

Cells of half the reach, particles in parallel, exponentials only where a Gaussian is above 1e-16, spherical harmonics by
recurrence; it shares no code with the package but the definition (TH equations 3.1 to 3.3). Fast mathematics is allowed,
so that loops over sums become vectors.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from glassgpu.types import Snapshot

CENTRES, STEP, DELTA, TAIL = 50, 0.1, 0.2, 5.0
SHELLS, R_MIN, WIDTH, L_MAX = 5, 1.0, 0.5, 14
REACH = (CENTRES - 1) * STEP + TAIL * DELTA
FAR = 8.6 * DELTA  # where a Gaussian falls below 1e-16
SPLIT = 2  # cells of REACH / SPLIT
EVEN = L_MAX // 2
FAST = {"reassoc", "contract", "arcp", "nsz"}


def columns(snapshot: Snapshot, species: int = 2, angular: bool = True) -> np.ndarray:
    """(N, 50 species + 35) float64, in the order of ``Softness``."""
    grid = np.floor(snapshot.box / REACH * SPLIT).astype(np.int64)
    cell = np.floor((snapshot.positions / snapshot.box + 0.5) * grid).astype(np.int64) % grid
    number = np.ravel_multi_index(tuple(cell.T), tuple(grid))
    order = np.argsort(number, kind="stable")
    begin = np.searchsorted(number[order], np.arange(grid.prod() + 1))
    out = np.empty((snapshot.n, species * CENTRES + (SHELLS * EVEN if angular else 0)))
    _describe(
        snapshot.positions[order],
        snapshot.types[order].astype(np.int64),
        snapshot.box,
        grid,
        begin,
        order,
        species,
        angular,
        _legendre(),
        out,
    )
    return out


def orders(bonds: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """(N, EVEN) Q_l of given bonds: unit vectors, (3, bonds), those of particle i from begin[i] to begin[i + 1]."""
    out = np.empty((len(begin) - 1, EVEN))
    _orders(np.ascontiguousarray(bonds), begin, _legendre(), out)
    return out


def _legendre() -> np.ndarray:
    """(2, L_MAX + 1, L_MAX + 1): a and b of P_l = a z P_(l-1) - b P_(l-2) for l > m, and at l = m the ratio P_m / P_(m-1), of
    Legendre functions whose real harmonics' squares sum to 1 over the m of one l."""
    table = np.zeros((2, L_MAX + 1, L_MAX + 1))
    for m in range(L_MAX + 1):
        table[0, m, m] = 1.0 if m == 0 else math.sqrt((2 * m - 1) / (2 * m) * (2 if m == 1 else 1))
        for l in range(m + 1, L_MAX + 1):
            both = (l - m) * (l + m)
            table[0, m, l] = (2 * l - 1) / math.sqrt(both)
            table[1, m, l] = math.sqrt((l - m - 1) * (l + m - 1) / both)
    return table


@numba.njit(fastmath=FAST, inline="always")
def _add_harmonics(x, y, z, many, legendre, harmonic):
    """Adds the real harmonics of `many` unit vectors to `harmonic`, (L_MAX + 1, L_MAX + 1, 2), a few bonds side by side."""
    for first in range(0, many, 8):
        some = min(8, many - first)
        zs, xs, ys = np.zeros(8), np.zeros(8), np.zeros(8)
        cosine, sine, top = np.zeros(8), np.zeros(8), np.zeros(8)
        for k in range(some):
            xs[k], ys[k], zs[k], cosine[k] = x[first + k], y[first + k], z[first + k], 1.0
        before, now = np.empty(8), np.empty(8)
        start = 1.0
        for m in range(L_MAX + 1):
            start *= legendre[0, m, m]
            for k in range(8):
                before[k], now[k] = 0.0, start
            for l in range(m, L_MAX + 1):
                if l > m:
                    a, b = legendre[0, m, l], legendre[1, m, l]
                    for k in range(8):
                        following = a * zs[k] * now[k] - b * before[k]
                        before[k] = now[k]
                        now[k] = following
                if l % 2 == 0:
                    c, s = 0.0, 0.0
                    for k in range(8):
                        c += now[k] * cosine[k]
                        s += now[k] * sine[k]
                    harmonic[l, m, 0] += c
                    harmonic[l, m, 1] += s
            for k in range(8):
                top[k] = cosine[k] * xs[k] - sine[k] * ys[k]
                sine[k] = cosine[k] * ys[k] + sine[k] * xs[k]
                cosine[k] = top[k]


@numba.njit(fastmath=FAST, inline="always")
def _order(harmonic, many, l):
    square = 0.0
    for m in range(l + 1):
        square += harmonic[l, m, 0] ** 2 + harmonic[l, m, 1] ** 2
    return math.sqrt(square) / many if many else 0.0


@numba.njit(parallel=True, fastmath=FAST, cache=False)
def _orders(bonds, begin, legendre, out):
    for i in numba.prange(len(out)):
        harmonic = np.zeros((L_MAX + 1, L_MAX + 1, 2))
        first, last = begin[i], begin[i + 1]
        _add_harmonics(bonds[0, first:last], bonds[1, first:last], bonds[2, first:last], last - first, legendre, harmonic)
        for l in range(2, L_MAX + 1, 2):
            out[i, l // 2 - 1] = _order(harmonic, last - first, l)


@numba.njit(parallel=True, fastmath=FAST, cache=False)
def _describe(place, kind, box, grid, begin, order, species, angular, legendre, out):
    for i in numba.prange(len(place)):
        row = np.zeros(species * CENTRES)
        bond = np.empty((SHELLS, 3, 512))
        many = np.zeros(SHELLS, np.int64)
        at = np.empty(3, np.int64)
        for d in range(3):
            at[d] = math.floor((place[i, d] / box[d] + 0.5) * grid[d]) % grid[d]
        # Each cell once, where there are fewer than 2 SPLIT + 1.
        for a in range(min(2 * SPLIT + 1, grid[0])):
            for b in range(min(2 * SPLIT + 1, grid[1])):
                for c in range(min(2 * SPLIT + 1, grid[2])):
                    cell = ((at[0] + a - SPLIT) % grid[0] * grid[1] + (at[1] + b - SPLIT) % grid[1]) * grid[2] + (at[2] + c - SPLIT) % grid[
                        2
                    ]
                    for j in range(begin[cell], begin[cell + 1]):
                        dx, dy, dz = place[j, 0] - place[i, 0], place[j, 1] - place[i, 1], place[j, 2] - place[i, 2]
                        dx -= box[0] * round(dx / box[0])
                        dy -= box[1] * round(dy / box[1])
                        dz -= box[2] * round(dz / box[2])
                        square = dx * dx + dy * dy + dz * dz
                        if square >= REACH * REACH or j == i:
                            continue
                        r = math.sqrt(square)
                        first = max(0, int((r - TAIL * DELTA) / STEP))
                        if first * STEP + TAIL * DELTA <= r:
                            first += 1
                        last = min(CENTRES, int((r + FAR) / STEP) + 1)
                        for k in range(first, last):
                            x = r - k * STEP
                            row[kind[j] * CENTRES + k] += math.exp(-x * x / (2 * DELTA * DELTA))
                        if angular and R_MIN < r < R_MIN + SHELLS * WIDTH:
                            shell = int((r - R_MIN) / WIDTH)
                            if r > R_MIN + shell * WIDTH and many[shell] < 512:
                                bond[shell, 0, many[shell]] = dx / r
                                bond[shell, 1, many[shell]] = dy / r
                                bond[shell, 2, many[shell]] = dz / r
                                many[shell] += 1
        for k in range(species * CENTRES):
            out[order[i], k] = row[k]
        if angular:
            for shell in range(SHELLS):
                harmonic = np.zeros((L_MAX + 1, L_MAX + 1, 2))
                _add_harmonics(bond[shell, 0], bond[shell, 1], bond[shell, 2], many[shell], legendre, harmonic)
                for l in range(2, L_MAX + 1, 2):
                    out[order[i], species * CENTRES + (l // 2 - 1) * SHELLS + shell] = _order(harmonic, many[shell], l)
