"""Averages of per-particle fields over a range of lengths: what a particle's wider surroundings are like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput, UnknownSpecies
from glassgpu.launch import Cpu, Cuda, target
from glassgpu.structure.cells import PADDING, Cells
from glassgpu.systems.system import require_box
from glassgpu.types import Snapshot, as_snapshots

BLOCK = 16  # of kernels/run_coarse_grain.cu


def coarse_grain(
    x: ArrayLike,
    snapshot: Snapshot | Sequence[Snapshot],
    lengths: ArrayLike,
    r_max: float,
    species: int | None = None,
    backend: str = "auto",
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """rho_i(l) = sum_j e^(-r_ij / l) and x_i(l) = sum_j x_j e^(-r_ij / l) / rho_i(l) over r_ij < r_max, i itself included.

    Args:
        x: (N, fields) float64, any units; (configuration, N, fields) for a sequence.
        snapshot: where the particles are.
        lengths: (L,) coarse-graining lengths l [length].
        r_max: where the sums end, at most half the shortest side [length].
        species: also the sums over each of so many species alone, in which a particle contains
            itself if it is of that species.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Returns:
        Two float64 arrays, (N, sums, L) and (N, sums, L, fields): densities [1] and averages in the units of x, with 1 + ``species``
        sums, the first over all particles. An average over nobody is 0. A sequence gives a leading
        configuration axis.

    Raises:
        BoxTooSmall, InvalidInput, UnknownSpecies, DeviceMissing, CompilerMissing

    Source: LIN equations 6 and 7 (Sharma, Liu, Ozawa 2024; Jung, Biroli, Berthier, Phys. Rev. Lett. 130, 238202 (2023)).

    Example:
        >>> film = gg.systems.ternary_2d(n=300).random_snapshot(seed=1)
        >>> density, average = gg.descriptors.coarse_grain(np.ones((300, 1)), film, lengths=[1.0, 2.0], r_max=8.0)
        >>> average.shape, bool(np.allclose(average, 1))  # of a field that is 1 everywhere
        ((300, 1, 2, 1), True)
    """
    snapshots, many = as_snapshots(snapshot)
    x = validate.array("x", x, np.float64, (None,) * (3 if many else 2))
    x = x if many else x[None]
    lengths = checked_lengths(lengths)
    if x.shape[:2] != (len(snapshots), snapshots[0].n):
        counted = f"{len(x)} configurations of {x.shape[1]} rows" if many else f"{x.shape[1]} rows"
        given = f"{len(snapshots)} snapshots of {snapshots[0].n} particles" if many else f"the snapshot {snapshots[0].n} particles"
        raise InvalidInput(f"x has {counted}, {given}")
    validate.number("r_max", r_max, above=0)
    for one in snapshots:
        require_box(one.box, r_max, one.density, "a sum up to r_max", ", or give a smaller r_max")
    most = 1 + max(int(s.types.max()) for s in snapshots)
    if species is not None and validate.whole("species", species, least=1) < most:
        raise UnknownSpecies(f"the snapshot holds type {most - 1}, but species={species}; count every species")
    place = target(backend, threads)
    density, average = (place.to_numpy(a) for a in coarse_grain_on(place, x, snapshots, lengths, r_max, species))
    return (density, average) if many else (density[0], average[0])


def checked_lengths(lengths: ArrayLike) -> np.ndarray:
    """Coarse-graining lengths, (L,) float64.

    Raises:
        InvalidInput
    """
    checked = validate.array("lengths", np.atleast_1d(lengths), np.float64, (None,))
    if not len(checked) or not (checked > 0).all():
        raise InvalidInput(f"lengths={checked.tolist()}: give at least one, all positive")
    return checked


def coarse_grain_on(
    place: Cpu | Cuda, x: np.ndarray, snapshots: Sequence[Snapshot], lengths: np.ndarray, r_max: float, species: int | None
) -> tuple[Any, Any]:
    """``coarse_grain`` of checked input of several configurations, on a target."""
    xp = place.xp
    density, total = sums_on(place, x, snapshots, lengths, r_max, species)
    if species is not None:
        density, total = (xp.concatenate([a.sum(axis=2, keepdims=True), a], axis=2) for a in (density, total))
    total /= xp.where(density > 0, density, 1.0)[..., None]
    return density, total


def sums_on(
    place: Cpu | Cuda, x: np.ndarray, snapshots: Sequence[Snapshot], lengths: np.ndarray, r_max: float, species: int | None
) -> tuple[Any, Any]:
    """Sums of weights, (configuration, N, species, L), and of weighted fields, (..., fields); species one by one, or
    all in one with None."""
    xp, groups = place.xp, species or 1
    cells = Cells(snapshots, r_max, species or 1 + max(int(s.types.max()) for s in snapshots), place, LONG_VECTORS=1)
    total = xp.empty((*x.shape[:2], groups, len(lengths), x.shape[2]))
    return fading_sums(cells, xp.asarray(x), total, x.shape[2], 0, 0, r_max, lengths, groups), total


def fading_sums(
    cells: Cells, x: Any, out: Any, columns: int, first: int, out_first: int, r_max: float, lengths: np.ndarray, groups: int = 1
) -> Any:
    """Sums of ``columns`` columns of x, from ``first`` on, with weights e^(-r / l), into those of out from ``out_first`` on.

    Args:
        cells: made for ``r_max``, with ``LONG_VECTORS``.
        x: (configuration, particle, columns and others) on the target.
        out: (configuration, particle, ...) on the target: of each particle (groups, lengths, columns) numbers
            one after another are filled. It may be x.
        groups: 1, all species together, or their number.

    Returns:
        (configuration, particle, groups, lengths) on the target: sums of the weights.
    """
    xp = cells.target.xp
    density = xp.empty((*x.shape[:2], groups, len(lengths)))
    ordered = xp.zeros((*x.shape[:2], -(-columns // PADDING) * PADDING))
    ordered[:, :, :columns] = xp.take_along_axis(x[:, :, first : first + columns], cells.order[:, :, None], axis=1)
    cells.run(
        "run_coarse_grain", "CoarseArguments",
        groups=groups, lengths=len(lengths), columns=columns, row=ordered.shape[2], out_row=int(np.prod(out.shape[2:])),
        out_first=out_first, reach=r_max, length=xp.asarray(lengths), x=ordered, density=density, out=out,
        **cells.scratch("CoarseArguments", neighbour=(cells.capacity,), distance=(BLOCK, cells.capacity), weight=(BLOCK, cells.capacity)),
    )  # fmt: skip
    return density


def coarse_names(fields: Sequence[str], lengths: ArrayLike, sums: Sequence[str]) -> list[str]:
    """Names of the columns of both arrays of ``coarse_grain``, each flattened, densities first."""
    lengths = np.atleast_1d(lengths)
    return [f"rho_{s}({l:g})" for s in sums for l in lengths] + [f"{f}_{s}({l:g})" for s in sums for l in lengths for f in fields]
