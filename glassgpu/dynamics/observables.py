"""What a liquid does on average: from displacements that are at hand, or summed while a run goes.

Functions of displacements average over the particle axis; hand in the particles of one species.
``Observe`` asks a run for the same numbers, summed inside the kernel (kernels/record.cuh).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Observe:
    """What a simulation sums up about every replica at ``times``.

    Attributes:
        wavenumber: k of F_s(k, t), usually the first peak of the structure factor (Kob-Andersen
            7.2, ternary 6.3) [1 / length].
        overlap_distance: a of the overlap Q(t) [length].
        bins, bin_width: of the self van Hove function [length]; what moved further is in the last bin. No
            bins, no van Hove function.

    Raises:
        InvalidInput
    """

    wavenumber: float
    overlap_distance: float = 0.3
    bins: int = 0
    bin_width: float = 0.02

    def __post_init__(self) -> None:
        validate.number("wavenumber", self.wavenumber, above=0)
        validate.number("overlap_distance", self.overlap_distance, above=0)
        validate.whole("bins", self.bins, least=0)
        validate.number("bin_width", self.bin_width, above=0)


def observables_dataset(
    observe: Observe,
    sums: np.ndarray,
    histogram: np.ndarray | None,
    counts: np.ndarray,
    times: np.ndarray,
    species: tuple[str, ...],
    dimension: int,
) -> xarray.Dataset:
    """What a run has summed, as averages.

    Args:
        sums: (configuration, replica, time, 1 or 2, species, 4) of |dr|^2, |dr|^4, F_s and the overlap,
            of displacements and then of cage-relative ones.
        histogram: (configuration, time, species, bins) counts over replicas, or None.
        counts: (species,) particles.

    Returns:
        Dataset with ``mean_squared_displacement``, ``non_gaussian``, ``self_intermediate_scattering``
        and ``overlap``, dims (configuration, replica, time, species); ``chi4`` (configuration, time,
        species) over replicas of one configuration, and ``chi4_of_all_runs`` (time, species) over
        the runs of all; the same with ``cage_relative_`` before their names where they were asked for;
        ``van_hove`` (configuration, time, species, distance), the probability density of |dr|, of
        cage-relative displacements where these were asked for.
    """
    import xarray

    data: dict[str, tuple] = {}
    for k, prefix in enumerate(("", "cage_relative_")[: sums.shape[3]]):
        data |= {prefix + name: values for name, values in _averages(sums[:, :, :, k], counts, dimension).items()}
    coords: dict = {"time": times, "species": list(species)}
    if histogram is not None:
        density = histogram / (sums.shape[1] * np.maximum(counts, 1)[:, None] * observe.bin_width)
        data["van_hove"] = (("configuration", "time", "species", "distance"), density)
        coords["distance"] = (np.arange(observe.bins) + 0.5) * observe.bin_width
    return xarray.Dataset(
        data, coords, {"wavenumber": observe.wavenumber, "overlap_distance": observe.overlap_distance, "counts": counts.tolist()}
    )


def _averages(sums: np.ndarray, counts: np.ndarray, dimension: int) -> dict[str, tuple]:
    """Variables with their dimensions from (configuration, replica, time, species, 4) sums."""
    dims = ("configuration", "replica", "time", "species")
    mean = sums / np.maximum(counts, 1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha = mean[..., 1] * dimension / ((dimension + 2) * mean[..., 0] ** 2) - 1
    data: dict[str, tuple] = {
        "mean_squared_displacement": (dims, mean[..., 0]),
        "non_gaussian": (dims, alpha),
        "self_intermediate_scattering": (dims, mean[..., 2]),
        "overlap": (dims, mean[..., 3]),
    }
    if sums.shape[1] > 1:
        data["chi4"] = (("configuration", "time", "species"), chi4(mean[..., 3], counts, axis=1))
    if sums.shape[0] > 1:
        runs = mean[..., 3].reshape(-1, *mean.shape[2:4])
        data["chi4_of_all_runs"] = (("time", "species"), chi4(runs, counts))
    return data


def mean_squared_displacement(moved: ArrayLike) -> np.ndarray:
    """<|dr|^2> over particles: (..., N, d) displacements [length] -> (...) float64 [length^2].

    Source: project notes, section 2.
    """
    return (np.asarray(moved, float) ** 2).sum(axis=-1).mean(axis=-1)


def non_gaussian(moved: ArrayLike) -> np.ndarray:
    """alpha_2 = d <|dr|^4> / ((d + 2) <|dr|^2>^2) - 1, zero for Gaussian motion in any dimension d.

    (..., N, d) displacements [length] -> (...) float64 [1].

    Source: Rahman, Phys. Rev. 136, A405 (1964).
    """
    square = (np.asarray(moved, float) ** 2).sum(axis=-1)
    d = np.shape(moved)[-1]
    return d * (square**2).mean(axis=-1) / ((d + 2) * square.mean(axis=-1) ** 2) - 1


def self_intermediate_scattering(moved: ArrayLike, wavenumber: float) -> np.ndarray:
    """F_s(k, t) averaged over all directions of k: sin(kr)/(kr) in 3D, J_0(kr) in 2D.

    Args:
        moved: (..., N, d) displacements [length].
        wavenumber: k [1 / length].

    Returns:
        (...) float64 [1].

    Raises:
        InvalidInput: a wavenumber that is not positive.

    Source: project notes, section 2.
    """
    from scipy.special import j0

    validate.number("wavenumber", wavenumber, above=0)
    moved = np.asarray(moved, float)
    kr = wavenumber * np.linalg.norm(moved, axis=-1)
    return (j0(kr) if moved.shape[-1] == 2 else np.sinc(kr / np.pi)).mean(axis=-1)


def overlap(moved: ArrayLike, distance: float = 0.3) -> np.ndarray:
    """Q(t), the share of particles with |dr| < ``distance`` [length]: (..., N, d) displacements [length] -> (...) float64 [1].

    Source: project notes, section 2.
    """
    return (np.linalg.norm(np.asarray(moved, float), axis=-1) < distance).mean(axis=-1)


def chi4(overlaps: ArrayLike, particles: ArrayLike, axis: int = 0) -> np.ndarray:
    """chi_4 = N Var(Q) over replicas or configurations, along ``axis`` (unbiased variance).

    Args:
        overlaps: Q(t), an array of any shape, float64 [1].
        particles: N, numbers of particles, scalar or of a shape that goes with the result.
        axis: of the runs, at least two.

    Returns:
        Float64, the shape of ``overlaps`` without ``axis`` [1].

    Raises:
        InvalidInput: fewer than two runs.

    Source: Glotzer, Novikov, Schroder, J. Chem. Phys. 112, 509 (2000).
    """
    overlaps = np.asarray(overlaps, float)
    if overlaps.shape[axis] < 2:
        raise InvalidInput("chi4 is a variance over runs; give at least two along the axis")
    return np.asarray(particles) * overlaps.var(axis=axis, ddof=1)


def van_hove(moved: ArrayLike, edges: ArrayLike) -> np.ndarray:
    """The self part of the van Hove function as probability density of |dr|.

    Args:
        moved: (..., N, d) displacements [length].
        edges: (bins + 1,) ascending [length].

    Returns:
        (..., bins) float64 [1 / length]; its integral is the share of particles between the edges.

    Raises:
        InvalidInput: edges that do not ascend.

    Source: van Hove, Phys. Rev. 95, 249 (1954), its self part over all directions.
    """
    distance, edges = np.linalg.norm(np.asarray(moved, float), axis=-1), np.asarray(edges, float)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise InvalidInput("edges of a histogram must ascend")
    counts = np.apply_along_axis(lambda row: np.histogram(row, edges)[0], -1, distance)
    return counts / (distance.shape[-1] * np.diff(edges))


def relaxation_time(times: ArrayLike, values: ArrayLike, level: float = float(np.exp(-1))) -> np.ndarray:
    """When a decaying function first falls below ``level``, linear in log time between samples.

    Args:
        times: (T,) ascending, positive [time, or sweeps].
        values: (..., T), such as F_s [1].
        level: in the units of ``values``; 1/e by default.

    Returns:
        (...) float64, in the units of ``times``; NaN where the function starts below the level or never reaches it.

    Raises:
        InvalidInput: times that do not ascend from above 0, or do not match the last axis of ``values``.

    Source: project notes, section 2.
    """
    times, values = np.asarray(times, float), np.asarray(values, float)
    if times.ndim != 1 or not (times > 0).all() or not (np.diff(times) > 0).all() or values.shape[-1:] != times.shape:
        raise InvalidInput(f"times must ascend from above 0 and match the last axis of values; got {times.shape} and {values.shape}")
    below = values < level
    k = np.argmax(below, axis=-1)
    found = below.any(axis=-1) & (k > 0)
    k = np.where(found, k, 1)
    high, low = (np.take_along_axis(values, (k - s)[..., None], axis=-1)[..., 0] for s in (1, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (high - level) / (high - low)
    log = np.log(times)
    return np.where(found, np.exp(log[k - 1] + share * (log[k] - log[k - 1])), np.nan)
