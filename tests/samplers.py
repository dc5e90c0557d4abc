"""Boltzmann distributions of a few particles: exact sums and integrals, and a plain Metropolis sampler in NumPy."""

from __future__ import annotations

import itertools

import numpy as np
from references import pair_energy, pair_slope
from scipy.ndimage import map_coordinates
from scipy.stats import chi2, f, norm

import glassgpu as gg
from glassgpu.systems.system import smooth_coefficients


def few(counts: tuple[int, int, int], side: float, cut: float = 2.5, inner: float = 2.0) -> gg.System:
    """A few particles S, M, L of the ternary mixture in a box of the given side; ``cut`` and ``inner`` in units of sigma_ab."""
    ternary = gg.systems.ternary_2d()
    return gg.System(
        name=f"{sum(counts)} particles",
        species=ternary.species,
        counts=counts,
        density=sum(counts) / side**2,
        dimension=2,
        sigma=ternary.sigma,
        epsilon=ternary.epsilon,
        cutoff=cut * ternary.sigma,
        law="smooth",
        inner=inner * ternary.sigma,
        mass=ternary.mass,
    )


def types_of(system: gg.System) -> np.ndarray:
    """(N,) one species after another."""
    return np.repeat(np.arange(len(system.species)), system.counts)


def on_lattice(system: gg.System, types: np.ndarray) -> gg.Snapshot:
    """A start without overlap: the first sites of the smallest square lattice that holds all particles."""
    per_side = int(np.ceil(np.sqrt(len(types))))
    sites = np.stack(np.divmod(np.arange(len(types)), per_side), axis=1)
    return gg.Snapshot(sites * system.box / per_side, types, system.box)


# ---------------------------------------------------------------- exact


def exact_pairs(system: gg.System, temperature: float, edges: np.ndarray, grid: int = 512) -> tuple[float, float, np.ndarray]:
    """Two or three particles: mean energy, mean virial -sum of r dU/dr, and (pair, bin) probabilities of the distances.

    The distribution of one separation is exp(-U_ij / T) times the periodic convolution of the two
    other Boltzmann factors, over a grid of the square: no sampling, and no error beyond 1e-9.
    ``edges`` lie within half a side.
    """
    types, side = types_of(system), system.box[0]
    pairs = list(itertools.combinations(range(len(types)), 2))
    along = side / grid * ((np.arange(grid) + grid // 2) % grid - grid // 2)
    r = np.maximum(np.hypot(*np.meshgrid(along, along)), 1e-3)
    energy = {p: pair_energy(system, types[p[0]], types[p[1]], r) for p in pairs}
    factor = {p: np.exp(-energy[p] / temperature) for p in pairs}
    mean_energy = mean_virial = 0.0
    probabilities = []
    for p in pairs:
        others = [np.fft.rfft2(factor[q]) for q in pairs if q != p]
        around = np.fft.irfft2(np.prod(others, axis=0), r.shape) if others else np.ones_like(r)
        weight = factor[p] * around
        total = weight.sum()
        slope = pair_slope(system, types[p[0]], types[p[1]], r)
        mean_energy += (energy[p] * weight)[weight > 0].sum() / total
        mean_virial -= (r * slope * weight)[weight > 0].sum() / total
        probabilities.append(_rings(system, (types[p[0]], types[p[1]]), temperature, around, edges) / (total * (side / grid) ** 2))
    return mean_energy, mean_virial, np.array(probabilities)


def _rings(system: gg.System, species: tuple[int, int], temperature: float, around: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(bin,) integrals of exp(-U/T) times a periodic function, given on a grid of the square, over rings between ``edges``."""
    node, weight = np.polynomial.legendre.leggauss(40)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    r = (middle[:, None] + half[:, None] * node).ravel()
    angle = 2 * np.pi * (np.arange(360) + 0.5) / 360
    at = np.stack([np.outer(r, np.cos(angle)), np.outer(r, np.sin(angle))]) * len(around) / system.box[0]
    mean = map_coordinates(around, at, order=3, mode="grid-wrap").mean(axis=1)
    ring = 2 * np.pi * r * np.exp(-pair_energy(system, *species, np.maximum(r, 1e-3)) / temperature) * mean
    return (ring.reshape(len(middle), -1) * weight).sum(axis=1) * half


class Assignments:
    """Every way to give the species of a system to fixed places.

    Attributes:
        types: (assignment, N).
        energy: (assignment,) [energy].
        probability: (assignment,) of the Boltzmann distribution.
    """

    def __init__(self, system: gg.System, positions: np.ndarray, temperature: float):
        self.types = np.array(sorted(set(itertools.permutations(types_of(system).tolist()))))
        self.temperature = temperature
        self._index = {tuple(t): k for k, t in enumerate(self.types.tolist())}
        self.energy = np.zeros(len(self.types))
        for i, j in itertools.combinations(range(len(positions)), 2):
            apart = positions[i] - positions[j]
            r = np.linalg.norm(apart - system.box * np.rint(apart / system.box))
            table = np.array([[pair_energy(system, a, b, r) for b in range(3)] for a in range(3)])
            self.energy += table[self.types[:, i], self.types[:, j]]
        weight = np.exp(-(self.energy - self.energy.min()) / temperature)
        self.probability = weight / weight.sum()

    def index(self, types: np.ndarray) -> np.ndarray:
        """(row,) which assignment each row (row, N) is."""
        return np.array([self._index[tuple(t)] for t in types.tolist()])

    def exchange_matrix(self) -> tuple[np.ndarray, dict[tuple[int, int], float]]:
        """(assignment, assignment) probabilities of one exchange of two random particles accepted after
        Metropolis, and the share accepted of the exchanges tried between two species."""
        n, count = self.types.shape[1], len(self.types)
        matrix = np.zeros((count, count))
        tried, accepted = {}, {}
        for i, j in itertools.combinations(range(n), 2):
            swapped = self.types.copy()
            swapped[:, [i, j]] = swapped[:, [j, i]]
            to = self.index(swapped)
            accept = np.exp(-np.maximum(self.energy[to] - self.energy, 0) / self.temperature)
            np.add.at(matrix, (np.arange(count), to), 2 * accept / (n * (n - 1)))
            for a, b in itertools.combinations(range(3), 2):
                these = np.isin(self.types[:, [i, j]], (a, b)).all(axis=1) & (self.types[:, i] != self.types[:, j])
                tried[a, b] = tried.get((a, b), 0.0) + self.probability[these].sum()
                accepted[a, b] = accepted.get((a, b), 0.0) + (self.probability * accept)[these].sum()
        matrix[np.diag_indices(count)] += 1 - matrix.sum(axis=1)
        return matrix, {ab: accepted[ab] / tried[ab] for ab in tried}

    def memory(self) -> float:
        """Trials after which the slowest deviation from the distribution has fallen to 1/e."""
        matrix = self.exchange_matrix()[0]
        return -1 / np.log(np.linalg.eigvalsh(np.sqrt(matrix * matrix.T))[-2])  # symmetric, with the same eigenvalues


# ---------------------------------------------------------------- sampled


def metropolis(
    system: gg.System, temperature: float, sweeps: int, every: int, chains: int, seed: int, step: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (chain, sample, N, 2) every so many sweeps, and their energies (chain, sample).

    Every chain starts from its own order of the particles on the lattice and moves a random particle
    of its own.
    """
    types, side = types_of(system), system.box[0]
    n, random, law = len(types), np.random.default_rng(seed), _OneLaw(system, types)
    chain = np.arange(chains)
    x = on_lattice(system, types).positions[random.permuted(np.tile(np.arange(n), (chains, 1)), axis=1)]
    positions, energies = [], []
    for sweep in range(1, sweeps + 1):
        for _ in range(n):
            i = random.integers(n, size=chains)
            here = x[chain, i]
            there = here + random.uniform(-step / 2, step / 2, (chains, 2))
            before, after = (law.with_all(i, squared(p[:, None] - x, side)) for p in (here, there))
            accept = after - before <= -temperature * np.log(1 - random.random(chains))
            x[chain[accept], i[accept]] = there[accept]
        if sweep % every == 0:
            positions.append(x.copy())
            energies.append(law.total(distances(x, side)))
    return np.stack(positions, axis=1), np.stack(energies, axis=1)


class _OneLaw:
    """U of every pair of a system whose pair laws are one function of r / sigma_ab, times epsilon_ab."""

    def __init__(self, system: gg.System, types: np.ndarray):
        self.inner, self.cut = (float((t / system.sigma).flat[0]) for t in (system.inner, system.cutoff))
        assert np.allclose(system.inner, self.inner * system.sigma) and np.allclose(system.cutoff, self.cut * system.sigma)
        self.law = smooth_coefficients(1.0, 1.0, self.inner, self.cut)
        self.inverse2, self.epsilon = system.sigma[types[:, None], types] ** -2, system.epsilon[types[:, None], types]

    def energy(self, r2: np.ndarray, of: tuple) -> np.ndarray:
        """U at squared distances of the pairs that ``of`` picks among all (N, N)."""
        s2 = np.maximum(r2 * self.inverse2[of], 1e-6)
        six, x = 1 / (s2 * s2 * s2), np.sqrt(s2) - self.inner
        constant, *c = self.law
        quartic = c[0] + x * (c[1] + x * (c[2] + x * (c[3] + x * c[4])))
        return self.epsilon[of] * np.where(x < 0, 4 * (six * six - six) + constant, np.where(x < self.cut - self.inner, quartic, 0.0))

    def with_all(self, i: np.ndarray, r2: np.ndarray) -> np.ndarray:
        """(chain,) energy of particle i of each chain with all others, at squared distances (chain, N)."""
        energy = self.energy(r2, (i,))
        energy[np.arange(len(i)), i] = 0
        return energy.sum(axis=1)

    def total(self, r: np.ndarray) -> np.ndarray:
        """Energy of all pairs i < j at distances (..., pair)."""
        return self.energy(r**2, np.triu_indices(len(self.epsilon), 1)).sum(axis=-1)


# ---------------------------------------------------------------- what is compared


def squared(apart: np.ndarray, side: float) -> np.ndarray:
    """(...) squared lengths of separations (..., 2), minimum image."""
    apart = apart - side * np.rint(apart / side)
    return apart[..., 0] ** 2 + apart[..., 1] ** 2


def distances(positions: np.ndarray, side: float) -> np.ndarray:
    """(..., pair) minimum-image distances of all pairs i < j of positions (..., N, 2)."""
    i, j = np.triu_indices(positions.shape[-2], 1)
    return np.sqrt(squared(positions[..., i, :] - positions[..., j, :], side))


KIND = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])  # of pairs, by their two species


def kinds(types: np.ndarray) -> np.ndarray:
    """(..., pair) the kind of all pairs i < j, for species (..., N)."""
    i, j = np.triu_indices(types.shape[-1], 1)
    return KIND[types[..., i], types[..., j]]


def shares(r: np.ndarray, kind: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(replica, kinds x bins): mean share of a replica's samples and pairs of one kind with a distance in a bin.

    ``r`` (replica, sample, pair); ``kind``, of the same shape or (pair,), numbers the kinds from 0.
    """
    bins = len(edges) - 1
    kind = np.broadcast_to(kind, r.shape)
    kinds = int(kind.max()) + 1
    out = np.zeros((len(r), kinds, bins + 2))
    for k in range(len(r)):
        place = np.digitize(r[k].ravel(), edges) + (bins + 2) * kind[k].ravel()
        out[k] = np.bincount(place, minlength=kinds * (bins + 2)).reshape(kinds, -1)
    return (out / out.sum(axis=2, keepdims=True))[:, :, 1:-1].reshape(len(r), -1)


def deviation(measured: np.ndarray, expected: np.ndarray) -> float:
    """How many standard errors the mean of independent rows lies off, as one number for all columns.

    ``measured`` (replica, column) against exact values (column,) or against rows of another sampler
    (chain, column): Hotelling's T^2, which knows how columns and successive samples depend on each
    other, with its probability turned into the deviation of a normal number that is as rare.
    """
    rows, columns = measured.shape
    covariance, freedom = np.cov(measured.T).reshape(columns, columns) / rows, rows - 1
    if expected.ndim == 2:
        covariance = covariance + np.cov(expected.T).reshape(columns, columns) / len(expected)
        freedom, expected = rows + len(expected) - 2, expected.mean(axis=0)
    off = measured.mean(axis=0) - expected
    t2 = off @ np.linalg.solve(covariance, off)
    ratio = t2 * (freedom - columns + 1) / (freedom * columns)
    return float(norm.isf(np.exp(f.logsf(ratio, columns, freedom - columns + 1)) / 2))


def chi_square_deviation(counts: np.ndarray, probability: np.ndarray, least: float = 10.0) -> float:
    """Pearson's chi-square of independent counts, as ``deviation``; cells that expect fewer than ``least`` are joined."""
    expected = probability * counts.sum()
    rare = expected < least
    observed, expected = (np.append(v[~rare], v[rare].sum()) for v in (counts, expected))
    observed, expected = (v[expected > 0] for v in (observed, expected))
    return float(norm.isf(chi2.sf(((observed - expected) ** 2 / expected).sum(), len(expected) - 1) / 2))
