"""Symmetry functions of Behler and Parrinello: radial and angular surroundings (paper LIN)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.descriptors.shell_average import average
from glassgpu.descriptors.shells import shell_group, shell_table
from glassgpu.errors import InvalidInput
from glassgpu.launch import Cpu, Cuda
from glassgpu.structure.cells import PADDING, Cells
from glassgpu.types import Snapshot

# LIN section III.C, in units of sigma_LS: (first centre, last centre, number, delta) of the Gaussians
# exp(-(r - mu)^2 / delta^2), and its table I.
RADIAL = (0.3, 5.0, 48, 0.1)
ANGULAR = (  # (xi, zeta, lambda)
    (14.633, 1, -1), (14.633, 1, 1), (14.638, 2, -1), (14.638, 2, 1), (2.554, 1, -1), (2.554, 1, 1), (2.554, 2, -1), (2.554, 2, 1),
    (1.648, 1, 1), (1.648, 2, 1), (1.204, 1, 1), (1.204, 2, 1), (1.204, 4, 1), (1.204, 16, 1), (0.933, 1, 1), (0.933, 2, 1),
    (0.933, 4, 1), (0.933, 16, 1), (0.695, 1, 1), (0.695, 2, 1), (0.695, 4, 1), (0.695, 16, 1),
)  # fmt: skip
MOST_ZETA = 64
ROWS = 7  # of `near` in kernels/run_symmetry.cu


class BehlerParrinello(Descriptor):
    """276 columns for three species: 48 radial ones a species and 22 angular ones for each two.

    G_i^a(k) = sum_j e^(-(r_ij - mu_k)^2 / delta^2) f_c(r_ij) over j != i of species a;
    Psi_i^ab(k) = 2^(1 - zeta) sum_jk e^(-(r_ij^2 + r_ik^2 + r_jk^2) / xi^2) (1 + lambda cos theta_jik)^zeta
    f_c(r_ij) f_c(r_ik) f_c(r_jk) over j of a and k of b, j != k != i: pairs of like neighbours count
    twice. f_c(r) = (cos(pi r / R_c) + 1) / 2 up to R_c. In two and three dimensions, of any species. Columns are
    pure numbers.

    Args:
        species: names by type number.
        radial: (first mu, last mu, number, delta) [length].
        angular: (xi [length], zeta, lambda) of each function of two species: zeta a whole number, lambda 1 or -1.
        cutoff: R_c [length].
        coarse_graining: l [length]: each column becomes its average over surroundings with weights
            e^(-r / l) (``coarse_grain``), as in LIN with 1.5; None: as it is.
        r_max: where those averages end [length].
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Raises:
        InvalidInput

    Source: Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007); LIN equations 2, 3 and 5 (order), table I.

    Example:
        >>> film = gg.systems.ternary_2d(n=300).random_snapshot(seed=1)
        >>> gg.descriptors.BehlerParrinello()(film).shape
        (300, 276)
    """

    smaller = "a smaller cutoff or r_max"

    def __init__(
        self,
        species: Sequence[str] = ("S", "M", "L"),
        radial: tuple[float, float, int, float] = RADIAL,
        angular: Sequence[tuple[float, int, int]] = ANGULAR,
        cutoff: float = 5.0,
        coarse_graining: float | None = None,
        r_max: float = 20.0,
        backend: str = "auto",
        threads: int | None = None,
    ):
        super().__init__(species, backend, threads)
        self.radial = shell_group("radial", radial)
        self.angular = tuple(_function(k, parameters) for k, parameters in enumerate(angular))
        if not self.angular:
            raise InvalidInput("angular=(): give at least one (xi, zeta, lambda)")
        self.cutoff = validate.number("cutoff", cutoff, above=0)
        self.coarse_graining = None if coarse_graining is None else validate.number("coarse_graining", coarse_graining, above=0)
        self.r_max = validate.number("r_max", r_max, above=0)

    def __repr__(self) -> str:
        averaged = "" if self.coarse_graining is None else f", coarse_graining={self.coarse_graining}, r_max={self.r_max}"
        return f"BehlerParrinello(species={self.species}, radial={self.radial}, angular={self.angular}, cutoff={self.cutoff}{averaged})"

    @property
    def reach(self) -> float:
        return self.cutoff if self.coarse_graining is None else max(self.cutoff, self.r_max)

    @property
    def columns(self) -> list[str]:
        pairs = combinations_with_replacement(self.species, 2)
        return [f"G_{s}({k})" for s in self.species for k in range(self.radial[2])] + [
            f"Psi_{a}{b}({k})" for a, b in pairs for k in range(len(self.angular))
        ]

    def compute_on(self, place: Cpu | Cuda, snapshots: Sequence[Snapshot]) -> Any:
        species, width = len(self.species), len(self.columns)
        xp = place.xp
        cells = Cells(snapshots, self.cutoff, species, place, LONG_VECTORS=1, ONE_WARP=1, **angular_tables(self.angular))
        widths = np.unique([xi for xi, _, _ in self.angular])
        first, last, number, delta = self.radial
        shells = np.linspace(first, last, number), np.full(number, self.cutoff), np.full(number, delta**-2)
        out = xp.empty((len(snapshots), snapshots[0].n, width))
        cells.run(
            "run_symmetry", "SymmetryArguments",
            radial=shell_table([shells], xp), columns=width, cutoff=self.cutoff, narrow=xp.asarray(widths**-2.0), out=out,
            **cells.scratch("SymmetryArguments", near=(ROWS, cells.capacity + PADDING)),
        )  # fmt: skip
        if self.coarse_graining is not None:
            around = Cells(snapshots, self.r_max, species, place, LONG_VECTORS=1)
            average(around, out, out, width, 0, 0, self.r_max, self.coarse_graining)
        return out


def angular_tables(angular: Sequence[tuple[float, int, int]]) -> dict[str, Any]:
    """Constants of kernels/run_symmetry.cu: which of the different xi, ascending, and which of the different
    (zeta, lambda) each function has."""
    widths, width_of = np.unique([xi for xi, _, _ in angular], return_inverse=True)
    powers, power_of = np.unique([parameters[1:] for parameters in angular], axis=0, return_inverse=True)
    tables = {"WIDTH_OF": width_of, "POWER_OF": power_of, "ZETA": powers[:, 0], "LAMBDA": powers[:, 1]}
    written = {name: "{" + ",".join(str(int(x)) for x in np.ravel(table)) + "}" for name, table in tables.items()}
    return {"SETS": len(angular), "WIDTHS": len(widths), "POWERS": len(powers), **written}


def _function(k: int, parameters: tuple[float, int, int]) -> tuple[float, int, int]:
    """(xi, zeta, lambda), checked."""
    if not isinstance(parameters, Sequence) or len(parameters) != 3:
        raise InvalidInput(f"angular[{k}] is (xi, zeta, lambda), got {parameters!r}")
    xi, zeta, sign = parameters
    xi = validate.number(f"angular[{k}] xi", xi, above=0)
    zeta = validate.whole(f"angular[{k}] zeta", zeta, least=1, most=MOST_ZETA)
    return xi, zeta, validate.choice(f"angular[{k}] lambda", sign, (1, -1))
