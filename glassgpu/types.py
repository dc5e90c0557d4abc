"""What travels through the package: one configuration of particles, and an ensemble of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput

if TYPE_CHECKING:
    import xarray

FARTHEST = 2.0**52  # boxes away, where float64 knows no fractions of one


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One configuration in a periodic box. Arrays are copied in, checked and read-only.

    Attributes:
        positions: (N, d) float64, wrapped into [-L/2, L/2) (what lies outside is wrapped here) [length].
        types: (N,) int32, species numbered from 0.
        box: (d,) float64, sides of the rectangular box [length]; d is 2 or 3.
        velocities: (N, d) float64 [length / time] or None.
        images: (N, d) int32 or None: how many boxes were subtracted from the positions. Those that
            wrapping here subtracts are added, so that positions + images x box stays what was given.
            None stays None: only the configuration in the periodic box is meant.

    Raises:
        InvalidInput: wrong shape or dtype, NaN, a negative type, a side that is not positive, positions so far out that
            their place in the box is lost to rounding.
    """

    positions: np.ndarray
    types: np.ndarray
    box: np.ndarray
    velocities: np.ndarray | None = None
    images: np.ndarray | None = None

    def __post_init__(self) -> None:
        positions = validate.array("positions", self.positions, np.float64, (None, None))
        n, d = positions.shape
        if d not in (2, 3) or n < 2:
            raise InvalidInput(f"positions has shape {positions.shape}; expected at least 2 particles in 2 or 3 dimensions")
        box = validate.array("box", self.box, np.float64, (d,))
        if not (box > 0).all():
            raise InvalidInput(f"box={box.tolist()}: every side must be positive")
        types = validate.array("types", self.types, np.int32, (n,))
        if types.min() < 0:
            raise InvalidInput(f"types holds {types.min()}; species are numbered from 0")
        wrapped, subtracted = _wrap(positions, box)
        if not ((wrapped >= -box / 2) & (wrapped < box / 2) & (np.abs(subtracted) < FARTHEST)).all():  # nor where they are NaN
            raise InvalidInput(f"positions of up to {np.abs(positions).max():g} cannot be wrapped into a box of sides {box.tolist()}")
        wrapped.setflags(write=False)
        for name, value in (("positions", wrapped), ("types", types), ("box", box)):
            object.__setattr__(self, name, value)
        if self.velocities is not None:
            object.__setattr__(self, "velocities", validate.array("velocities", self.velocities, np.float64, (n, d)))
        if self.images is not None:
            images = validate.array("images", self.images, np.int32, (n, d)) + subtracted
            object.__setattr__(self, "images", validate.array("images", images, np.int32, (n, d)))

    def __repr__(self) -> str:
        more = "".join(f", {name}" for name in ("velocities", "images") if getattr(self, name) is not None)
        return f"Snapshot(N={self.n}, d={self.dimension}, box={listed(self.box)}, per type {np.bincount(self.types).tolist()}{more})"

    @property
    def n(self) -> int:
        """Number of particles."""
        return len(self.positions)

    @property
    def density(self) -> float:
        """N / V [length^-d]."""
        return self.n / float(self.box.prod())

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.box)


def _wrap(positions: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions in [-L/2, L/2), and how many boxes were subtracted (float64). What is inside keeps every bit."""
    inside = (positions >= -box / 2) & (positions < box / 2)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller looks at what comes out
        return _wrapped(positions, box, inside)


def _wrapped(positions: np.ndarray, box: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    subtracted = np.where(inside, 0.0, np.floor(positions / box + 0.5))
    wrapped = np.where(inside, positions, positions - box * subtracted)
    for beyond, boxes in ((wrapped < -box / 2, -1.0), (wrapped >= box / 2, 1.0)):  # what rounding left outside
        subtracted, wrapped = subtracted + boxes * beyond, np.where(beyond, wrapped - boxes * box, wrapped)
    return wrapped, subtracted


def listed(values: np.ndarray) -> str:
    """A short list of numbers: the middle of a long one is left out."""
    words = [f"{v:.6g}" for v in values]
    return f"[{', '.join(words)}]" if len(words) < 5 else f"[{words[0]} ... {words[-1]}, {len(words)} in all]"


def as_snapshots(value: Snapshot | Sequence[Snapshot]) -> tuple[list[Snapshot], bool]:
    """A list of snapshots, and whether a sequence was given.

    Raises:
        InvalidInput: empty, something else than snapshots, or snapshots of different N or d.
    """
    single = isinstance(value, Snapshot)
    snapshots = [value] if isinstance(value, Snapshot) else list(value) if isinstance(value, Iterable) else [value]
    strange = [type(s).__name__ for s in snapshots if not isinstance(s, Snapshot)]
    if strange or not snapshots:
        got = f"got {strange[0]}" if strange else "got none"
        order = "; the order of arguments is (system, snapshot)" if "System" in strange else ""
        raise InvalidInput(f"expected a Snapshot or a sequence of at least one Snapshot, {got}{order}")
    if len({s.positions.shape for s in snapshots}) > 1:
        raise InvalidInput(f"snapshots of different shapes {sorted({s.positions.shape for s in snapshots})} do not belong to one System")
    return snapshots, not single


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Isoconfigurational runs reduced to labels (Widmer-Cooper and Harrowell, PRL 93, 135701).

    Attributes:
        snapshot: the configuration, or the list of configurations, that the runs started from.
        propensity: mean |dr_i(t)| over the runs, dims ([configuration,] time, particle) [length]; of
            cage-relative displacements where ``attrs["cage_relative"]`` is 1.
        standard_error: of the propensity, same dims [length].
        noise_ceiling: dims ([configuration,] time, species): the largest Pearson coefficient
            that a function of the structure can reach (``dynamics.noise_ceiling``) [1].
        energy: mean over runs of the potential energy per particle, ([configuration,] time) [energy].
        mean_displacement: <dr_i(t)> over runs, ([configuration,] time, particle, dim) [length], when asked for.
        bond_breaking: <n_i(t) / n_i(0)> over runs, the share of the initial neighbours that are still near,
            ([configuration,] time, particle) [1], when asked for; 1 for a particle that had none.
        bond_breaking_error: its standard error, same dims [1].
        rearrangements: int64 number of runs in which a particle rearranges, ([configuration,] label, hop_time,
            particle), when asked for: by ``p_hop`` above its threshold at that instant, by ``any`` such
            instant up to it, by ``csd``, the cumulative squared displacement up to it (``dynamics.Hops``).
        observables: Dataset over (configuration, replica, time, species), as of ``simulate.Trajectory``, when asked for.
        attrs: provenance (``engines.options.provenance``): system, law, a hash of its physics, density,
            temperature, dynamics and its parameters, skin, replicas, seed, precision, backend, version, units;
            with rearrangements ``hop_interval``, ``hop_half_window``, ``hop_threshold``,
            ``hop_squared_displacement``, and ``hop_since`` where given (``dynamics.Hops``).
    """

    snapshot: Snapshot | list[Snapshot]
    propensity: xarray.DataArray
    standard_error: xarray.DataArray
    noise_ceiling: xarray.DataArray
    attrs: dict[str, Any]
    energy: xarray.DataArray | None = None
    mean_displacement: xarray.DataArray | None = None
    bond_breaking: xarray.DataArray | None = None
    bond_breaking_error: xarray.DataArray | None = None
    rearrangements: xarray.DataArray | None = None
    observables: xarray.Dataset | None = None

    def __repr__(self) -> str:
        many = f"{len(self.snapshot)} configurations, " if isinstance(self.snapshot, list) else ""
        n = self.propensity.sizes["particle"]
        return f"Ensemble({self.attrs.get('system')}, {many}N={n}, T={self.attrs.get('temperature')}, replicas={self.attrs.get('replicas')}, times={listed(self.times)})"

    @property
    def times(self) -> np.ndarray:
        """(time,) float64, in the units named by ``attrs["time_unit"]``."""
        return self.propensity["time"].values
