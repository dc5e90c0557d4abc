"""Structure along a run: mean scores of groups of particles, summed while the run goes (kernels/scores.cuh)."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.systems.system import System, require_box
from glassgpu.types import Snapshot

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """What a run sums up of a score of structure at ``times``: S_i = constant + sum over neighbours j of f(species of j, r_ij).

    Softness of radial columns is such a score: ``landscape.scores_along`` makes this of its hyperplane.

    Attributes:
        species: names by type number.
        reach: where f ends [length].
        table: (species, K + 2) float64, f at r^2 = k ``reach``^2 / K, between which it is a line, in the units of the score; 0 for the
            last two, and near r = 0, where a particle meets itself.
        constant: S of a particle without neighbours.
        group: (N,) or (configuration, N) whole numbers from 0: whose mean a particle enters; -1: none.
        groups: how many there are.

    Raises:
        InvalidInput: tables and groups of another form; empty groups.

    Source: TH equation 2.1, section 4.2.
    """

    species: tuple[str, ...]
    reach: float
    table: np.ndarray
    constant: float
    group: np.ndarray
    groups: int = field(init=False)

    def __post_init__(self) -> None:
        validate.number("reach", self.reach, above=0)
        validate.number("constant", self.constant)
        table = validate.array("table", self.table, np.float64, (len(self.species), None))
        if table.shape[1] < 3 or table[:, [0, -2, -1]].any():
            raise InvalidInput("table has at least 3 columns, of which the first and the last two are 0")
        group = np.asarray(self.group)
        if group.dtype.kind not in "iu" or group.ndim not in (1, 2):
            raise InvalidInput(f"group has dtype {group.dtype} and shape {group.shape}; give whole numbers, (N,) or (configuration, N)")
        group = np.atleast_2d(group).astype(np.int32)
        if group.min() < -1 or (np.bincount(group[group >= 0].ravel(), minlength=1) == 0).any():
            raise InvalidInput("groups are numbered from 0 without a gap, -1 for particles of none; one of them is empty")
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "groups", int(group.max()) + 1)

    def __repr__(self) -> str:
        content = b"".join(np.ascontiguousarray(x).tobytes() for x in (self.table, self.constant, self.group))
        return f"Scores({self.species}, reach={self.reach:g}, groups={self.groups}, {hashlib.sha256(content).hexdigest()[:16]})"

    def of_configurations(self, chosen: slice) -> Scores:
        """The same for some of the configurations, of which groups may be empty."""
        out = copy.copy(self)
        object.__setattr__(out, "group", self.group[chosen])
        return out

    def of(self, snapshot: Snapshot) -> np.ndarray:
        """S of every particle of a snapshot, (N,) float64 in the units of ``table``, from its list of neighbours.

        Raises:
            BoxTooSmall
        """
        from glassgpu.structure import neighbors  # which looks at runs, and runs at this

        near = neighbors(snapshot, self.reach)
        there = np.isfinite(near.distance)
        entries = self.table.shape[1] - 2
        at = np.where(there, near.distance / self.reach, 0.0) ** 2 * entries
        k, species = at.astype(np.int64), snapshot.types[near.index]
        low, high = self.table[species, k], self.table[species, k + 1]
        return self.constant + np.where(there, low + (at - k) * (high - low), 0.0).sum(axis=1)

    def check(self, system: System, snapshots: Sequence[Snapshot]) -> None:
        """Raise unless these are the particles of a run.

        Raises:
            InvalidInput, BoxTooSmall
        """
        if self.species != tuple(system.species):
            raise InvalidInput(f"score= is of species {self.species}; {system.name} has {tuple(system.species)}")
        if self.group.shape not in ((1, snapshots[0].n), (len(snapshots), snapshots[0].n)):
            raise InvalidInput(
                f"group has shape {self.group.shape}; the run has {len(snapshots)} configurations of {snapshots[0].n} particles"
            )
        for snapshot in snapshots:
            require_box(snapshot.box, self.reach, snapshot.density, "score=")

    def dataset(self, sums: np.ndarray, times: np.ndarray) -> xarray.Dataset:
        """``mean`` and ``deviation`` of S in every group, in the units of ``table``, dims (configuration, replica, time, group), and
        ``count`` (configuration, group) int64.

        Args:
            sums: (configuration, replica, time, group, 2) float64 of S and S^2, in the units of ``table`` and those squared.
            times: (time,) [time, or sweeps].
        """
        import xarray

        group = np.broadcast_to(self.group, (len(sums), self.group.shape[1]))
        count = np.stack([np.bincount(g[g >= 0], minlength=self.groups) for g in group])
        with np.errstate(invalid="ignore", divide="ignore"):  # a group may be empty in some configuration
            mean, square = np.moveaxis(sums / count[:, None, None, :, None], -1, 0)
        dims = ("configuration", "replica", "time", "group")
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        return xarray.Dataset(
            {"mean": (dims, mean), "deviation": (dims, deviation), "count": (("configuration", "group"), count)}, {"time": times}
        )
