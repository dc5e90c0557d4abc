"""ShellExpansion by SciPy: pairs from a k-d tree, sparse matrices times dense Gaussians, averages as sparse products.

What a careful user would write without a compiler; it shares no code with the package but the
definition (CMP section I.C, equations 2 to 6).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from scipy.special import sph_harm_y

from glassgpu.types import Snapshot

RADIAL = ((0.86, 2.0, 46, 0.025), (2.05, 3.0, 20, 0.05), (3.1, 4.5, 15, 0.1))
ANGULAR = (1.0, 2.5, 16, 0.1)
L_MAX, TAIL, R_C = 12, 5.0, 2.1
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # i, j, r_j - r_i, distance


def columns(snapshot: Snapshot, generations: int, species: int = 2) -> np.ndarray:
    """(N, 354 generations) float64, in the order of ``ShellExpansion``."""
    pairs = _pairs(snapshot, max(last + TAIL * delta for _, last, _, delta in RADIAL))
    parts = [np.concatenate([_radial(snapshot, pairs, species), _angular(snapshot.n, pairs)], axis=1)]
    i, j, _, r = _nearer(pairs, R_C)
    weight = csr_array((np.exp(-r / R_C), (i, j)), shape=(snapshot.n, snapshot.n))
    total = 1 + np.asarray(weight.sum(axis=1))
    for _ in range(1, generations):
        parts.append((parts[-1] + weight @ parts[-1]) / total[:, None])
    return np.concatenate(parts, axis=1)


def _pairs(snapshot: Snapshot, r_max: float) -> Pairs:
    """Every ordered pair within ``r_max``, by i."""
    inside = np.mod(snapshot.positions, snapshot.box)
    inside[inside >= snapshot.box] = 0.0  # a remainder may round up to the side itself
    both = cKDTree(inside, boxsize=snapshot.box).query_pairs(r_max, output_type="ndarray")
    i, j = np.concatenate([both, both[:, ::-1]]).T
    order = np.argsort(i, kind="stable")
    i, j = i[order], j[order]
    apart = inside[j] - inside[i]
    apart -= snapshot.box * np.rint(apart / snapshot.box)
    return i, j, apart, np.linalg.norm(apart, axis=1)


def _nearer(pairs: Pairs, r_max: float) -> Pairs:
    near = pairs[3] < r_max
    i, j, apart, r = pairs
    return i[near], j[near], apart[near], r[near]


def _gaussians(r: np.ndarray, group: tuple[float, float, int, float]) -> np.ndarray:
    """(pairs, centres)."""
    first, last, number, delta = group
    centre = np.linspace(first, last, number)
    return np.exp(-((r[:, None] - centre) ** 2) / (2 * delta**2)) * (r[:, None] < centre + TAIL * delta)


def _sums(i: np.ndarray, which: np.ndarray, n: int) -> csr_array:
    """(n, pairs): adds up the pairs of each particle that are marked."""
    return csr_array((which.astype(float), (i, np.arange(len(i)))), shape=(n, len(i)))


def _radial(snapshot: Snapshot, pairs: Pairs, species: int) -> np.ndarray:
    groups = []
    for group in RADIAL:
        i, j, _, r = _nearer(pairs, group[1] + TAIL * group[3])
        bell = _gaussians(r, group)
        groups.append([_sums(i, snapshot.types[j] == s, snapshot.n) @ bell for s in range(species)])
    return np.concatenate([group[s] for s in range(species) for group in groups], axis=1)


def _angular(n: int, pairs: Pairs) -> np.ndarray:
    i, _, apart, r = _nearer(pairs, ANGULAR[1] + TAIL * ANGULAR[3])
    theta, phi = np.arccos(apart[:, 2] / r), np.arctan2(apart[:, 1], apart[:, 0])
    bell = _gaussians(r, ANGULAR)
    total = _sums(i, np.ones(len(i)), n) @ bell
    some = np.where(total > 0, total, 1)
    # One sparse matrix per (l, m), whose entries are Y_lm: particle by pair. m < 0 adds as much as m > 0.
    begin = np.searchsorted(i, np.arange(n + 1))
    pair = np.arange(len(i))
    parts = []
    for l in range(1, L_MAX + 1):
        square = np.zeros_like(total)
        for m in range(l + 1):
            y = sph_harm_y(l, m, theta, phi)
            for part in (y.real, y.imag)[: 1 if m == 0 else 2]:
                mean = csr_array((part.copy(), pair, begin), shape=(n, len(i))) @ bell / some
                square += (1 if m == 0 else 2) * mean**2
        parts.append(np.sqrt(4 * np.pi / (2 * l + 1) * square))
    return np.concatenate(parts, axis=1)
