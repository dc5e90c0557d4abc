"""Pairs in real and in reciprocal space: g_ab(r) and S_ab(k)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from glassgpu import validate
from glassgpu.errors import BoxTooSmall, InvalidInput
from glassgpu.types import Snapshot

if TYPE_CHECKING:
    import xarray

ROWS = 256  # particles whose distances to all others are in memory at once


def _names(species: Iterable[str], snapshot: Snapshot) -> tuple[str, ...]:
    names = tuple(species)
    if snapshot.types.max() >= len(names):
        raise InvalidInput(f"the snapshot holds type {snapshot.types.max()}, but species={names}; name every species")
    return names


def _each(snapshots: Snapshot | Iterable[Snapshot]) -> Iterable[Snapshot]:
    return [snapshots] if isinstance(snapshots, Snapshot) else snapshots


def radial_distribution(
    snapshots: Snapshot | Iterable[Snapshot], r_max: float, bins: int = 200, species: Iterable[str] = ("A", "B")
) -> xarray.DataArray:
    """g_ab(r), averaged over snapshots, which may come one after another from a generator.

    Args:
        snapshots: one or any number, of one composition and box.
        r_max: at most half the shortest side [length].
        bins: of equal width from 0 to ``r_max``.
        species: names by type number.

    Returns:
        DataArray float64 [1], dims (first, second, distance), ``distance`` [length]: 1 where particles do not know of each other.
        NaN for a species without a pair.

    Raises:
        BoxTooSmall, InvalidInput

    Source: Hansen and McDonald, Theory of Simple Liquids, chapter 2; project notes, section 2.
    """
    import xarray

    validate.number("r_max", r_max, above=0)
    validate.whole("bins", bins, least=1)
    total, frames = None, 0
    for snapshot in _each(snapshots):
        names = _names(species, snapshot)
        if r_max > snapshot.box.min() / 2 * (1 + 1e-12):
            raise BoxTooSmall(f"r_max={r_max:g} is more than half the shortest side {snapshot.box.min():.6g}; take a smaller r_max")
        counts = np.bincount(snapshot.types, minlength=len(names))
        pairs = counts[:, None] * counts - np.diag(counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            frame = _pair_counts(snapshot, r_max, bins, len(names)) / pairs[:, :, None] * snapshot.box.prod()
        total = frame if total is None else total + frame
        frames += 1
    if total is None:
        raise InvalidInput("radial_distribution got no snapshot")
    edges = np.linspace(0, r_max, bins + 1)
    shell = np.pi * np.diff(edges**2) if snapshot.dimension == 2 else 4 / 3 * np.pi * np.diff(edges**3)
    coords = {"first": list(names), "second": list(names), "distance": (edges[1:] + edges[:-1]) / 2}
    return xarray.DataArray(total / frames / shell, coords, ("first", "second", "distance"), name="radial_distribution")


def _pair_counts(snapshot: Snapshot, r_max: float, bins: int, species: int) -> np.ndarray:
    """Ordered pairs of each two species in each bin of distance, (species, species, bins)."""
    x, types, box = snapshot.positions, snapshot.types.astype(np.int64), snapshot.box
    out = np.zeros(species * species * bins, np.int64)
    for first in range(0, snapshot.n, ROWS):
        apart = x[first : first + ROWS, None] - x
        apart -= box * np.rint(apart / box)
        distance = np.sqrt(np.einsum("ijd,ijd->ij", apart, apart))
        distance[np.arange(len(distance)), first + np.arange(len(distance))] = np.inf  # itself
        i, j = np.nonzero(distance < r_max)
        bin_of = np.minimum((distance[i, j] * (bins / r_max)).astype(np.int64), bins - 1)
        out += np.bincount((types[first + i] * species + types[j]) * bins + bin_of, minlength=len(out))
    return out.reshape(species, species, bins)


def structure_factor(
    snapshots: Snapshot | Iterable[Snapshot],
    k_max: float,
    bins: int = 100,
    species: Iterable[str] = ("A", "B"),
    per_bin: int = 200,
    seed: int = 0,
) -> xarray.DataArray:
    """Partial structure factors S_ab(k) = <rho_a(k) rho_b(-k)> / N, averaged over directions and snapshots.

    Wave vectors are those of the periodic box, 2 pi n / L. Their sum over a and b is S(k).

    Args:
        snapshots: one or any number, of one composition and box.
        k_max: [1 / length].
        bins: of equal width up to ``k_max``; a bin without a wave vector of the box is NaN.
        species: names by type number.
        per_bin: at most so many wave vectors of a bin are used, drawn by ``seed``.

    Returns:
        DataArray float64 [1], dims (first, second, wavenumber); ``wavenumber`` is the mean |k| of a bin [1 / length].

    Raises:
        InvalidInput

    Source: Hansen and McDonald, Theory of Simple Liquids, chapter 4; project notes, section 2.
    """
    import xarray

    validate.number("k_max", k_max, above=0)
    validate.whole("bins", bins, least=1)
    total, frames, box = None, 0, np.zeros(0)
    for snapshot in _each(snapshots):
        names = _names(species, snapshot)
        if total is None:
            box = snapshot.box
            vectors, bin_of = _wave_vectors(box, k_max, bins, per_bin, seed)
            total = np.zeros((len(names), len(names), len(vectors)))
        elif not np.array_equal(box, snapshot.box):
            raise InvalidInput("structure_factor averages over snapshots of one box")
        density = np.stack([_density(snapshot.positions[snapshot.types == s], vectors) for s in range(len(names))])
        total += (density[:, None] * density[None].conj()).real / snapshot.n
        frames += 1
    if total is None:
        raise InvalidInput("structure_factor got no snapshot")
    many = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        wavenumber = np.bincount(bin_of, np.linalg.norm(vectors, axis=1), minlength=bins) / many
        values = np.array([[np.bincount(bin_of, row, minlength=bins) / many for row in rows] for rows in total / frames])
    middle = (np.arange(bins) + 0.5) * (k_max / bins)
    coords = {"first": list(names), "second": list(names), "wavenumber": np.where(many > 0, wavenumber, middle)}
    return xarray.DataArray(values, coords, ("first", "second", "wavenumber"), name="structure_factor")


def _wave_vectors(box: np.ndarray, k_max: float, bins: int, per_bin: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of the box's wave vectors up to k_max (the other half gives the same), and their bins."""
    unit = 2 * np.pi / box
    most = np.floor(k_max / unit).astype(int)
    n = np.stack(np.meshgrid(*[np.arange(-m if d else 0, m + 1) for d, m in enumerate(most)], indexing="ij"), -1).reshape(-1, len(box))
    first = np.take_along_axis(n, np.argmax(n != 0, axis=1)[:, None], axis=1)[:, 0]
    k = n[first > 0] * unit
    length = np.linalg.norm(k, axis=1)
    k, length = k[length < k_max], length[length < k_max]
    bin_of = np.minimum((length * (bins / k_max)).astype(np.int64), bins - 1)
    order = np.random.default_rng(seed).permutation(len(k))
    sorted_by_bin = order[np.argsort(bin_of[order], kind="stable")]
    rank = np.arange(len(k)) - np.searchsorted(bin_of[sorted_by_bin], bin_of[sorted_by_bin])
    kept = np.sort(sorted_by_bin[rank < per_bin])
    return k[kept], bin_of[kept]


def _density(positions: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """rho(k) = sum_i exp(i k . r_i), (vectors,) complex."""
    return np.concatenate([np.exp(1j * (part @ positions.T)).sum(axis=1) for part in np.array_split(vectors, max(1, len(vectors) // ROWS))])
