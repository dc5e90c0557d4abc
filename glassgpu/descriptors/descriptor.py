"""What every descriptor has in common: columns, reach, one snapshot or many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from glassgpu.errors import InvalidInput, UnknownSpecies
from glassgpu.systems.system import require_box
from glassgpu.types import Snapshot, as_snapshots

if TYPE_CHECKING:
    import xarray


class Descriptor(ABC):
    """A function from a snapshot to named columns per particle.

    A new descriptor is one file beside this one with ``columns`` and ``compute``, and one row in
    ``descriptors/__init__.py``. Columns are raw: standardisation is fitted on training rows only.
    """

    species: tuple[str, ...]
    dimensions: tuple[int, ...] = (2, 3)

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names, in the order of ``compute``."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """Distance up to which a particle's surroundings matter to one generation [length]."""

    @abstractmethod
    def compute(self, snapshot: Snapshot) -> np.ndarray:
        """(N, columns) float64."""

    def compute_all(self, snapshots: Sequence[Snapshot]) -> np.ndarray:
        """(configuration, N, columns) float64 of snapshots of one shape."""
        return np.stack([self.compute(s) for s in snapshots])

    def check(self, snapshot: Snapshot) -> None:
        """Raise unless the descriptor is defined for the snapshot.

        Raises:
            InvalidInput: other dimension.
            UnknownSpecies: a type without a name.
            BoxTooSmall: a side shorter than twice the reach.
        """
        if snapshot.dimension not in self.dimensions:
            raise InvalidInput(f"{type(self).__name__} is defined in {self.dimensions} dimensions, the snapshot has {snapshot.dimension}")
        if snapshot.types.max() >= len(self.species):
            raise UnknownSpecies(f"the snapshot holds type {snapshot.types.max()}, but species={self.species}; name every species")
        name = type(self).__name__
        require_box(snapshot.box, self.reach, snapshot.density, name, f", or give {name} smaller shells (its reach is {self.reach:g})")

    def __call__(self, snapshot: Snapshot | Sequence[Snapshot]) -> xarray.DataArray:
        """Columns of one snapshot, dims (particle, feature), or of several, dims
        (configuration, particle, feature).

        Raises:
            BoxTooSmall, UnknownSpecies, InvalidInput
        """
        import xarray

        snapshots, many = as_snapshots(snapshot)
        for s in snapshots:
            self.check(s)
        data = xarray.DataArray(
            self.compute_all(snapshots),
            dims=("configuration", "particle", "feature"),
            coords={"feature": self.columns},
            name=type(self).__name__,
            attrs={"descriptor": repr(self), "reach": self.reach},
        )
        return data if many else data.isel(configuration=0)
