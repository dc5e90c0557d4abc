"""Gaussian shells and bond-order shells with recursive averages (papers CMP and Boattini 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.descriptors.shell_average import add_generations
from glassgpu.descriptors.shells import shell_group, shell_table
from glassgpu.launch import Cpu, Cuda
from glassgpu.structure.cells import Cells
from glassgpu.types import Snapshot

TAIL = 5.0  # a shell at c with width delta counts neighbours up to c + 5 delta
L_MAX = 12
# Sizes of kernels/harmonics.cuh and kernels/run_shells.cu.
ROWS = (L_MAX + 1) ** 2  # real harmonics, l = 0 included
CHUNK = {"cpu": 32, "cuda": 256}  # neighbours whose harmonics are in memory at once
LANES = 4  # or 1

# (first centre, last centre, number, delta): CMP I.C; CMP prints no delta, these follow Boattini
# et al., PRL 127, 088007 (2021).
RADIAL = ((0.86, 2.0, 46, 0.025), (2.05, 3.0, 20, 0.05), (3.1, 4.5, 15, 0.1))
ANGULAR = (1.0, 2.5, 16, 0.1)


def _gaussians(group: tuple[float, float, int, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres, edges and 1 / (2 delta^2) of a group of shells."""
    first, last, number, delta = group
    centre = np.linspace(first, last, number)
    return centre, centre + TAIL * delta, np.full(number, 1 / (2 * delta**2))


def _legendre() -> np.ndarray:
    """((m, l >= m), 2): P_mm / sin^m for l = m, else a and b of P_l = a z P_(l-1) - b P_(l-2), for
    Legendre functions P_l^m whose real harmonics' squares sum to 1 over the m of one l."""
    rows = []
    for m in range(L_MAX + 1):
        double_factorial = math.prod(range(1, 2 * m, 2))
        rows.append((double_factorial * math.sqrt((1 if m == 0 else 2) / math.factorial(2 * m)), 0.0))
        for l in range(m + 1, L_MAX + 1):
            both = (l - m) * (l + m)
            rows.append(((2 * l - 1) / math.sqrt(both), math.sqrt((l - m - 1) * (l + m - 1) / both)))
    return np.array(rows)


class ShellExpansion(Descriptor):
    """354 columns a generation for two species in three dimensions.

    Radial (per species s, then centre c): sum_j exp(-(r_ij - c)^2 / 2 delta^2) over j of species
    s. Angular (per l = 1 .. 12, then centre c): sqrt(4 pi / (2l+1) sum_m |q_lm|^2), with q_lm the
    Gaussian-weighted mean of Y_lm(r_ij) over neighbours of all species, 0 for an empty shell.
    Generation n + 1 is the ``shell_average`` of generation n. Columns are pure numbers.

    Args:
        generations: 1 to 3 in the paper; the columns of generation n end in ``[n]``.
        species: names by type number.
        radial: (first, last, number, delta) of each group of shells [length].
        angular: (first, last, number, delta) [length].
        r_c: of the averages [length].
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Raises:
        InvalidInput

    Source: CMP section I.C, equations 2 to 6 (order: species-major radial, l-major angular, then
    generation). Tails are cut at c + 5 delta.

    Example:
        >>> liquid = gg.systems.kob_andersen(n=1200).random_snapshot(seed=1)  # the shells reach 5: N >= 1200
        >>> X = gg.descriptors.ShellExpansion(generations=2)(liquid)
        >>> X.dims, X.shape
        (('particle', 'feature'), (1200, 708))
    """

    dimensions = (3,)

    def __init__(
        self,
        generations: int = 1,
        species: Sequence[str] = ("A", "B"),
        radial: Sequence[tuple[float, float, int, float]] = RADIAL,
        angular: tuple[float, float, int, float] = ANGULAR,
        r_c: float = 2.1,
        backend: str = "auto",
        threads: int | None = None,
    ):
        super().__init__(species, backend, threads)
        self.generations = validate.whole("generations", generations, least=1)
        self.radial = tuple(shell_group("radial", group) for group in radial)
        self.angular = shell_group("angular", angular)
        self.r_c = validate.number("r_c", r_c, above=0)

    def __repr__(self) -> str:
        return f"ShellExpansion(generations={self.generations}, species={self.species}, radial={self.radial}, angular={self.angular}, r_c={self.r_c})"

    @property
    def reach(self) -> float:
        return max([last + TAIL * delta for _, last, _, delta in (*self.radial, self.angular)] + [self.r_c])

    @property
    def columns(self) -> list[str]:
        centres = np.concatenate([np.linspace(a, b, k) for a, b, k, _ in self.radial])
        first = [f"G_{s}({c:.3f})" for s in self.species for c in centres]
        first += [f"q_{l}({c:.2f})" for l in range(1, L_MAX + 1) for c in np.linspace(*self.angular[:3])]
        return [name + (f"[{n}]" if n else "") for n in range(self.generations) for name in first]

    def compute_on(self, place: Cpu | Cuda, snapshots: Sequence[Snapshot]) -> Any:
        species, width = len(self.species), len(self.columns) // self.generations
        out = place.xp.empty((len(snapshots), snapshots[0].n, width * self.generations))
        cells = Cells(snapshots, self.reach, species, place)
        angular = shell_table([_gaussians(self.angular)], place.xp)
        chunk, capacity = CHUNK[place.name], cells.capacity
        cells.run(
            "run_shells", "ShellsArguments",
            radial=shell_table([_gaussians(group) for group in self.radial], place.xp), angular=angular, columns=out.shape[2], reach=self.reach,
            legendre=place.xp.asarray(_legendre()), out=out,
            **cells.scratch(
                "ShellsArguments", distance=(capacity,), bond=(3, capacity), inner=(4, capacity + LANES),
                weight=(chunk, angular["slots"]), harmonic=(ROWS, chunk), sum=(ROWS, angular["slots"]),
            ),
        )  # fmt: skip
        add_generations(place, snapshots, out, width, self.generations, self.r_c, species)
        return out
