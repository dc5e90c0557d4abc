"""Softness as a run can follow it: a hyperplane of radial columns is a sum over neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glassgpu import validate
from glassgpu.descriptors.softness import TAIL, Softness
from glassgpu.dynamics.scores import Scores
from glassgpu.errors import InvalidInput
from glassgpu.models.hyperplane import Hyperplane
from glassgpu.types import Snapshot, as_snapshots

ENTRIES = 8192  # of the table: between two of them f is a line, whose error in S is below a thousandth of its deviation
NOBODY = 0.2  # two particles are never nearer in a run; of random starts, where they may be, columns count such pairs and a table does not


def scores_along(hyperplane: Hyperplane, descriptor: Softness, group: np.ndarray) -> Scores:
    """What ``simulate.md(score=)`` takes: S = w.F - b of radial columns F, a function of r for each species, whose sum over
    neighbours needs no columns.

    Args:
        hyperplane: fitted to the columns of ``descriptor``.
        descriptor: ``Softness(angular=False)`` of one generation.
        group: (N,) or (configuration, N) whole numbers from 0: whose mean a particle enters; -1: none.

    Raises:
        InvalidInput: columns that are no sums over neighbours; other columns than the hyperplane's; empty groups.

    Source: TH equation 2.1, section 4.2.
    """
    if not isinstance(descriptor, Softness) or descriptor.angular or descriptor.generations != 1:
        raise InvalidInput(
            f"descriptor={descriptor!r}: along a run only sums over neighbours are followed; give Softness(angular=False), and a "
            "hyperplane fitted to its columns"
        )
    if not isinstance(hyperplane, Hyperplane) or len(hyperplane.weights) != len(descriptor.columns):
        raise InvalidInput(f"hyperplane= has to be a Hyperplane of the {len(descriptor.columns)} columns of {descriptor!r}")
    first, last, number, delta = descriptor.radial
    centre = np.linspace(first, last, number)[:, None]
    r = descriptor.reach * np.sqrt(np.arange(ENTRIES + 2) / ENTRIES)
    # A column ends five deltas beyond its centre. Where it is nearly empty that end is what its values, and so its weight, are made of.
    bells = np.where(r < centre + TAIL * delta, np.exp(-((r - centre) ** 2) / (2 * delta**2)), 0.0)
    weights = (hyperplane.weights / hyperplane.deviation).reshape(-1, number)
    table = np.where((r > NOBODY) & (np.arange(ENTRIES + 2) < ENTRIES), weights @ bells, 0.0)
    constant = float(hyperplane.score(np.zeros(len(hyperplane.weights))))
    return Scores(descriptor.species, descriptor.reach, table, constant, group)


def groups_by_score(
    hyperplane: Hyperplane, descriptor: Softness, snapshot: Snapshot | Sequence[Snapshot], *, groups: int, species: int = 0
) -> np.ndarray:
    """Groups of equal size by S of a snapshot, over all configurations together, from the hardest to the softest: (N,) or
    (configuration, N) int32, -1 of other species.

    Args:
        hyperplane: fitted to the columns of ``descriptor``.
        descriptor: ``Softness``.
        snapshot: one, or a sequence of one System.
        groups: how many.
        species: type number of the particles that are grouped.

    Raises:
        InvalidInput: no particle of the species, or fewer than groups.
        As ``Descriptor.__call__``.

    Source: TH section 4.2.
    """
    snapshots, many = as_snapshots(snapshot)
    mine = np.stack([s.types for s in snapshots]) == species
    if not mine.any():
        raise InvalidInput(f"species={species}: the snapshots hold no such particle")
    validate.whole("groups", groups, least=1, most=int(mine.sum()))
    score = hyperplane.score(descriptor(list(snapshots)).values)
    edges = np.quantile(score[mine], np.arange(1, groups) / groups)
    group = np.where(mine, np.searchsorted(edges, score), -1).astype(np.int32)
    return group if many else group[0]
