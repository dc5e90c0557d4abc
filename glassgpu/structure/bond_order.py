"""Order in two dimensions: the angles of bonds, Bragg peaks, demixing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput, ParticlesOverlap
from glassgpu.structure.correlations import structure_factor
from glassgpu.structure.neighbors import Neighbors, neighbors
from glassgpu.systems.system import System, as_system
from glassgpu.types import Snapshot, as_snapshots

ORDERS = (5, 6, 8, 10, 12)  # hexagonal, square, and the quasi-crystals: 10- and 12-fold
MOST_BOND_ORDER = 3.0  # global |<psi_n>|, in units of 1 / sqrt(N)
MOST_BRAGG = 0.05  # largest S(k) / N
LEAST_BRAGG = 30.0  # the limit of S(k) itself where 0.05 N is less: liquids of any size reach 10 to 20
MOST_DEMIXED = 3.0  # composition fluctuations, in units of those of random mixing
BRAGG_REACH = 15.0  # largest k [1 / length]
MIXED_REACH = 2.0  # largest k of composition fluctuations: domains wider than a few particles
SHELL = 3  # width of its shells, in units of 2 pi / L: 12 wave vectors in the first of a square box
CHUNK = 4096  # particles whose phases are in memory at once


def bond_order(system: System, snapshot: Snapshot | Sequence[Snapshot], order: int, reach: float = 1.5) -> np.ndarray:
    """psi_n of each particle: the mean of exp(i n theta) over the bonds to its neighbours.

    Args:
        system: gives sigma_ab.
        snapshot: two dimensions.
        order: n, such as 6.
        reach: neighbours stand within ``reach`` sigma_ab (strictly).

    Returns:
        (N,) complex128 [1], 0 without neighbours; a leading configuration axis for a sequence. II
        gives the modulus, to which the sense of a turn is lost.

    Raises:
        InvalidInput: another dimension, or an order that is no whole number.
        UnknownSpecies, BoxTooSmall, ParticlesOverlap

    Source: II equation 6.
    """
    validate.whole("order", order, least=1)
    validate.number("reach", reach, above=0)
    snapshots, many = as_snapshots(snapshot)
    values = np.stack([orders_of(bonds_in_plane(system, s, reach), (order,))[0] for s in snapshots])
    return values if many else values[0]


def orders_of(near: Neighbors, orders: Sequence[int]) -> np.ndarray:
    """psi_n of each particle for each order, (orders, N) complex, from its bonds."""
    inside = np.isfinite(near.distance)
    bond = np.divide(near.vector[..., 0] + 1j * near.vector[..., 1], near.distance, where=inside, out=np.zeros(inside.shape, complex))
    return np.stack([(bond**n).sum(axis=1) for n in orders]) / np.maximum(near.count, 1)


def bonds_in_plane(system: System, snapshot: Snapshot, reach: float) -> Neighbors:
    """Neighbours within ``reach`` sigma_ab (strictly) whose bonds have an angle: two dimensions, no length of 0.

    Raises:
        InvalidInput: another dimension.
        UnknownSpecies, BoxTooSmall, ParticlesOverlap
    """
    as_system(system).check(snapshot)
    if snapshot.dimension != 2:
        raise InvalidInput("the angle of a bond is defined in two dimensions; largest_crystalline_cluster is for three")
    near = neighbors(snapshot, reach * system.sigma)
    for i, k in np.argwhere(near.distance == 0)[:1]:
        raise ParticlesOverlap(f"particles {i} and {near.index[i, k]} stand at the same place, so that their bond has no angle; move one")
    return near


@dataclass(frozen=True)
class LongRangeOrder:
    """What a mixture in two dimensions must not show if it is to be called a liquid.

    Attributes:
        particles: N.
        bond_order: |<psi_n>| sqrt(N) for n = 5, 6, 8, 10, 12: of order 1 where distant bonds do not
            know of each other, of order sqrt(N) in a crystal or quasi-crystal of one orientation. The
            two ends of a bond cancel in an odd order: it is n = 10 that sees fivefold order.
        local_bond_order: <|psi_n|>, for which there is no limit.
        peak: the largest S(k) of all particles, of order N in a crystal.
        demixing: the largest composition fluctuation of any species, averaged over shells of small k,
            in units of that of random mixing: 1 if species were drawn at random, of order N / 30 once
            they part.
    """

    particles: int
    bond_order: dict[int, float]
    local_bond_order: dict[int, float]
    peak: float
    demixing: float

    @property
    def figures(self) -> dict[str, tuple[float, float]]:
        """What has a limit: the figure, and the limit that it must stay below."""
        return {
            **{f"global |<psi_{n}>| sqrt(N)": (value, MOST_BOND_ORDER) for n, value in self.bond_order.items()},
            "largest S(k)": (self.peak, max(MOST_BRAGG * self.particles, LEAST_BRAGG)),
            "composition fluctuation over that of random mixing": (self.demixing, MOST_DEMIXED),
        }

    @property
    def ordered(self) -> bool:
        """Whether any limit is broken."""
        return self.excess >= 1

    @property
    def excess(self) -> float:
        """The largest figure in units of its limit."""
        return max(value / limit for value, limit in self.figures.values())

    def __str__(self) -> str:
        words = (
            f"{name} {value:.3g} ({'NOT ' if value >= limit else ''}below {limit:.3g})" for name, (value, limit) in self.figures.items()
        )
        return ", ".join(words)


def long_range_order(system: System, snapshot: Snapshot, reach: float = 1.5) -> LongRangeOrder:
    """Is a mixture in two dimensions still a liquid? Its bond order, Bragg peaks and demixing.

    - |<psi_n>|, n = 5, 6, 8, 10, 12, must stay below 3 / sqrt(N).
    - S(k) of all particles must stay below 0.05 N at each of the box's wave vectors up to k = 15. Below
      N = 600 the limit is 30, because the first peak of a liquid is about 3 and single wave vectors
      scatter exponentially about that.
    - Composition must fluctuate less than three times as much as in random mixing. With c_a(k) =
      sum over i of (1 if i is of species a, else 0, less its share x_a) exp(i k r_i), the figure is
      <|c_a(k)|^2> / (N x_a (1 - x_a)), whose mean over random exchanges of species is 1 wherever
      the particles stand; averaged over shells up to k = 2, that of the species and shell with the most.

    Args:
        system: gives sigma_ab.
        snapshot: two dimensions.
        reach: of bonds, in units of sigma_ab.

    Raises:
        InvalidInput: another dimension.
        UnknownSpecies, BoxTooSmall, ParticlesOverlap

    Source: project notes, section 1, "no order" for the ternary mixture; LIN VII.
    """
    orders = orders_of(bonds_in_plane(system, snapshot, validate.number("reach", reach, above=0)), ORDERS)
    of_all, of_each = abs(orders.mean(axis=1)) * np.sqrt(snapshot.n), abs(orders).mean(axis=1)
    return LongRangeOrder(
        snapshot.n,
        dict(zip(ORDERS, of_all.tolist(), strict=True)),
        dict(zip(ORDERS, of_each.tolist(), strict=True)),
        _peak(snapshot),
        _demixing(system, snapshot),
    )


def _peak(snapshot: Snapshot) -> float:
    """The largest S(k) = |sum exp(i k . r)|^2 / N over the wave vectors of the box."""
    unit = 2 * np.pi / snapshot.box
    most = np.floor(BRAGG_REACH / unit)
    k = [unit[0] * np.arange(most[0] + 1), unit[1] * np.arange(-most[1], most[1] + 1)]  # half of them: the other half gives the same
    density = np.zeros((len(k[0]), len(k[1])), complex)
    for part in np.array_split(snapshot.positions, -(-snapshot.n // CHUNK)):
        density += np.exp(1j * np.outer(k[0], part[:, 0])) @ np.exp(1j * np.outer(part[:, 1], k[1]))
    length = np.hypot(k[0][:, None], k[1])
    return float((abs(density[(length > 0) & (length <= BRAGG_REACH)]) ** 2).max() / snapshot.n)


def _demixing(system: System, snapshot: Snapshot) -> float:
    """The largest mean of |c_a(k)|^2 / (N x_a (1 - x_a)) over a shell of small k."""
    width = SHELL * 2 * np.pi / snapshot.box.min() * (1 - 1e-9)  # the wave vectors at an edge belong to the shell beyond
    shells = max(1, int(MIXED_REACH / width))
    partial = structure_factor(snapshot, shells * width, shells, system.species, per_bin=snapshot.n**2).values
    share = np.bincount(snapshot.types, minlength=len(partial)) / snapshot.n
    mixed = (share > 0) & (share < 1)
    if not mixed.any():
        return 0.0
    with_all = partial.sum(axis=1)
    fluctuation = np.einsum("aak->ak", partial) - 2 * share[:, None] * with_all + share[:, None] ** 2 * with_all.sum(axis=0)
    return float((fluctuation[mixed] / (share * (1 - share))[mixed, None]).max())
