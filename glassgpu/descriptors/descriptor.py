"""What every descriptor has in common: columns, reach, one snapshot or many, on a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu import memory, validate
from glassgpu.errors import InvalidInput, SuspiciousInput, UnknownSpecies, warn_user
from glassgpu.executors import Executor, blocks, chosen, spread
from glassgpu.launch import Cpu, Cuda, target
from glassgpu.systems.system import require_apart, require_box
from glassgpu.types import Snapshot, as_snapshots

if TYPE_CHECKING:
    import xarray

CHUNK_BYTES, SHARE = 512 << 20, 1 / 4  # at work at once, at most, and of the memory budget
WORKING = 7  # bytes at work for each byte of columns, at most, as measured for SLO


def at_once(size: int, place: Cpu | Cuda) -> int:
    """How many snapshots, each of columns of so many bytes, memory should hold."""
    return max(1, int(min(CHUNK_BYTES, SHARE * memory.budget(place))) // (WORKING * size))


class Descriptor(ABC):
    """A function from a snapshot to named columns per particle.

    A new descriptor is one file beside this one with ``columns``, ``reach``, ``compute_on`` and a ``repr`` that says
    all that fixes the columns, and one row in ``descriptors/__init__.py``. Columns are raw: standardisation
    is fitted on training rows only.

    Args:
        species: names by type number.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Raises:
        InvalidInput: no species, two of one name, or another backend.
    """

    dimensions: tuple[int, ...] = (2, 3)
    smaller = "smaller shells"  # what shortens its reach, in words

    def __init__(self, species: Sequence[str], backend: str = "auto", threads: int | None = None):
        self.species = tuple(species)
        if not self.species or len(set(self.species)) < len(self.species):
            raise InvalidInput(f"species={self.species}: give a name for each species, no two alike")
        self.backend = validate.choice("backend", backend, ("auto", "cuda", "cpu"))
        self.threads = threads

    @abstractmethod
    def __repr__(self) -> str:
        """All that fixes the columns; stores of columns are known by it."""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names, in the order of ``compute_on``."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """Distance up to which a particle's surroundings matter to one generation [length]."""

    @abstractmethod
    def compute_on(self, place: Cpu | Cuda, snapshots: Sequence[Snapshot]) -> Any:
        """(configuration, N, columns) float64 on a target, of checked snapshots of one shape.

        Raises:
            As ``check``; DeviceMissing, CompilerMissing.
        """

    def compute(self, snapshot: Snapshot) -> np.ndarray:
        """(N, columns) float64, each column in units of its own, of one snapshot.

        Raises:
            As ``check``; DeviceMissing, CompilerMissing.

        Warns:
            SuspiciousInput: no particle is of a species.
        """
        self.note_absent([snapshot])
        return self.compute_all([snapshot])[0]

    def compute_all(self, snapshots: Sequence[Snapshot]) -> np.ndarray:
        """(configuration, N, columns) float64, each column in units of its own, of snapshots of one shape, as many at a time as
        memory should hold.

        Raises:
            As ``check``; DeviceMissing, CompilerMissing.
        """
        self.check_all(snapshots)
        place = target(self.backend, self.threads)
        out = np.empty((len(snapshots), snapshots[0].n, len(self.columns)))

        def work(part: slice) -> None:
            out[part] = place.to_numpy(self.compute_on(place, snapshots[part]))

        memory.pieces(work, len(snapshots), at_once(out[0].nbytes, place), "configurations")
        return out

    def _spread(self, snapshots: Sequence[Snapshot], executor: Executor | None) -> np.ndarray:
        """``compute_all`` by workers, a few configurations a task."""
        if executor is None or len(snapshots) == 1:
            return self.compute_all(snapshots)
        self.check_all(snapshots)
        parts = blocks(len(snapshots), None)
        out = np.empty((len(snapshots), snapshots[0].n, len(self.columns)))
        for k, columns in spread(self.compute_all, ((snapshots[a:b],) for a, b in parts), executor):
            out[slice(*parts[k])] = columns
        return out

    def rows(self, snapshots: Sequence[Snapshot], configuration: np.ndarray, particle: np.ndarray) -> np.ndarray:
        """Columns of chosen particles alone: of ``particle[k]`` in ``snapshots[configuration[k]]``.

        Args:
            snapshots: of one shape.
            configuration, particle: (rows,) int64.

        Returns:
            (rows, columns) float64, each column in units of its own.

        Raises:
            InvalidInput: no such snapshot or particle.
            As ``compute_all``.

        Warns:
            SuspiciousInput: no particle is of a species.
        """
        snapshots, _ = as_snapshots(snapshots)
        self.note_absent(snapshots)
        configuration = validate.array("configuration", configuration, np.int64, (None,))
        particle = validate.array("particle", particle, np.int64, configuration.shape)
        for name, which, number in (("configuration", configuration, len(snapshots)), ("particle", particle, snapshots[0].n)):
            if len(which) and not 0 <= which.min() <= which.max() < number:
                raise InvalidInput(f"{name} holds {which.min()} to {which.max()}; there are {number}, from 0 on")
        return self.compute_rows(snapshots, configuration, particle)

    def compute_rows(self, snapshots: Sequence[Snapshot], configuration: np.ndarray, particle: np.ndarray) -> np.ndarray:
        """``rows`` of what is checked; by default all particles are computed.

        Args:
            snapshots, configuration, particle: as for ``rows``.

        Returns:
            As ``rows``.

        Raises:
            As ``compute_all``.
        """
        return self.compute_all(snapshots)[configuration, particle]

    def check_all(self, snapshots: Sequence[Snapshot]) -> None:
        """``check`` of each; of several, the message says which.

        Raises:
            As ``check``.
        """
        for c, snapshot in enumerate(snapshots):
            try:
                self.check(snapshot)
            except InvalidInput as error:
                if len(snapshots) == 1:
                    raise
                raise type(error)(f"configuration {c}: {error}") from error

    def note_absent(self, snapshots: Sequence[Snapshot]) -> None:
        """Warn of species that no particle is of, whose columns are all alike: the snapshots may be of another system."""
        there = {int(k) for snapshot in snapshots for k in np.unique(snapshot.types)}
        absent = [name for k, name in enumerate(self.species) if k not in there]
        if absent:
            warn_user(
                f"no particle is of species {', '.join(absent)}; the types 0, 1, ... are taken for {self.species}: if they are others, give "
                "species=",
                SuspiciousInput,
            )

    def check(self, snapshot: Snapshot) -> None:
        """Raise unless the descriptor is defined for the snapshot.

        Raises:
            InvalidInput: other dimension.
            UnknownSpecies: a type without a name.
            BoxTooSmall: a side shorter than twice the reach.
            ParticlesOverlap: two particles at one place.
        """
        if snapshot.dimension not in self.dimensions:
            raise InvalidInput(f"{type(self).__name__} is defined in {self.dimensions} dimensions, the snapshot has {snapshot.dimension}")
        if snapshot.types.max() >= len(self.species):
            raise UnknownSpecies(f"the snapshot holds type {snapshot.types.max()}, but species={self.species}; name every species")
        name = type(self).__name__
        require_box(snapshot.box, self.reach, snapshot.density, name, f", or give {name} {self.smaller} (its reach is {self.reach:g})")
        require_apart(snapshot)

    def __call__(self, snapshot: Snapshot | Sequence[Snapshot], *, executor: Executor | None = None) -> xarray.DataArray:
        """Columns of one snapshot, dims (particle, feature), or of several, dims
        (configuration, particle, feature), float64, each column in units of its own.

        Args:
            snapshot: or a sequence of them, of one shape.
            executor: workers that share the configurations, as for ``io.write_columns``, which has no need to hold all columns.

        Raises:
            BoxTooSmall, UnknownSpecies, ParticlesOverlap, InvalidInput, DeviceMissing, CompilerMissing

        Warns:
            SuspiciousInput: no particle is of a species.
        """
        import xarray

        snapshots, many = as_snapshots(snapshot)
        self.note_absent(snapshots)
        data = xarray.DataArray(
            self._spread(snapshots, chosen(executor)),
            dims=("configuration", "particle", "feature"),
            coords={"feature": self.columns},
            name=type(self).__name__,
            attrs={"descriptor": repr(self), "reach": self.reach},
        )
        return data if many else data.isel(configuration=0)
