"""From a System and its snapshots to what every kernel is given: Problem and Scratch.

Inside a run particles stand in Morton order, so that neighbours in space are neighbours in
memory; ``Problem.order`` maps back. The order is a function of the snapshot alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu import memory
from glassgpu.errors import InvalidInput, ParticlesOverlap
from glassgpu.launch import Cpu, Cuda, element_dtype, fill, struct_dtype
from glassgpu.systems.starts import closest_pair
from glassgpu.systems.system import LAWS, System, as_system, smooth_coefficients
from glassgpu.types import Snapshot

TOO_CLOSE = 0.5  # r / sigma_ab below which no dynamics starts
COINCIDENT = 1e-6  # and below which not even an energy is asked for
TOUCHING = 1 - 1e-5  # hard spheres may overlap by what single precision in a file leaves, in boxes of up to 100
NO_FORCES = "hard spheres have no energies and forces; their dynamics is simulate.edmd, or dynamics='edmd'"
FORCES = "event-driven dynamics is for hard spheres; where there are forces take simulate.md or simulate.mc"
SCRATCH_SHARE = 1 / 2  # of the memory budget, for lists, cells and forces
SCAN = 32  # SCAN of kernels/workspace.cuh on the host; one particle suffices on the GPU


LISTS = ("runs", "mixed", "blind")  # kernels/workspace.cuh


def kernel_constants(system: System, precision: str, lists: str = "runs") -> dict[str, int]:
    """The compile-time constants that a system fixes."""
    constants = {
        "DIMENSION": system.dimension,
        "SPECIES": len(system.species),
        "LAW": LAWS.index(system.law),
        "DOUBLE": int(precision == "double"),
        **({"ALONE": 1} if system.law == "hard" else {}),
    }
    if lists == "runs":
        return constants
    ends = [system.cutoff / system.sigma, *([system.inner / system.sigma] if system.law == "smooth" else [])]
    scaled = all(np.ptp(end) < 1e-12 for end in ends)  # one law for all pairs but for sigma and epsilon
    return {**constants, "LISTS": LISTS.index(lists), "SCALED": int(scaled)}


def pair_table(system: System, skin: float, constants: dict[str, int]) -> np.ndarray:
    """The pair constants of kernels/pair_lj.cuh, (S * S + 1,): the last for sigma = epsilon = 1."""
    tables = (system.sigma, system.epsilon, system.cutoff, system.inner)
    laws = list(zip(*(table.ravel() for table in tables), strict=True))
    sigma, _, cut, inner = laws[0]
    laws.append((1.0, 1.0, cut / sigma, inner / sigma))
    rows = np.zeros(len(laws), struct_dtype("PairConstants", constants))
    for row, (sigma, epsilon, cut, inner) in zip(rows, laws, strict=True):
        row["cut2"], row["list_cut2"] = cut**2, (cut + skin) ** 2
        row["repulsion"], row["attraction"] = 4 * epsilon * sigma**12, 4 * epsilon * sigma**6
        row["over_sigma2"], row["epsilon"] = sigma**-2, epsilon
        if system.law == "smooth":
            row["inner"] = inner
            constant, *quartic = smooth_coefficients(sigma, epsilon, inner, cut)
            row["shift"] = constant
            for k, coefficient in enumerate(quartic):
                row[f"quartic{k}"] = coefficient
        else:
            row["shift"] = -4 * epsilon * ((sigma / cut) ** 12 - (sigma / cut) ** 6)
    if constants.get("LISTS") == LISTS.index("blind"):
        rows["list_cut2"] = (system.cutoff.max() + skin) ** 2
    return rows


def morton_order(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Indices that sort particles along a Z curve through 2^5 slices a side, ties by index."""
    slices = np.minimum(((positions / box + 0.5) * 32).astype(np.int64), 31)
    code = np.zeros(len(positions), np.int64)
    d = len(box)
    for bit in range(5):
        for k in range(d):
            code |= ((slices[:, k] >> bit) & 1) << (d * bit + k)
    return np.argsort(code, kind="stable")


def grid_of(box: np.ndarray, reach: float) -> np.ndarray:
    """Cells along each direction: across rows at least ``reach`` wide, 1 where fewer than three
    fit; along x, the rows of kernels/lists.cuh, about a quarter of it."""
    cells = np.floor(box / reach * (1 - 1e-6)).astype(np.int32)
    cells = np.where(cells < 3, 1, np.minimum(cells, 64))
    cells[0] = max(1, min(int(4 * box[0] / reach), 256))
    return cells.astype(np.int32)


def require_no_overlap(system: System, snapshot: Snapshot, configuration: int, least: float) -> None:
    """Raise ``ParticlesOverlap`` if a pair is nearer than ``least`` in units of its sigma."""
    pair = closest_pair(system, snapshot, least) if least > 0 else None
    if not pair:
        return
    what = f"particles {pair[0]} and {pair[1]} of configuration {configuration} are {pair[2]:.8g} sigma apart"
    if system.law == "hard":
        raise ParticlesOverlap(
            f"{what}, but {system.name} cannot overlap; check box, diameters and units, or start from system.random_snapshot"
        )
    raise ParticlesOverlap(
        f"{what}; dynamics starts from {TOO_CLOSE} sigma on, energies from {COINCIDENT}; check box and units, or start from system.random_snapshot"
    )


class Problem:
    """Snapshots of one System on a target, ready for kernels.

    Args:
        system, snapshots: checked against each other here.
        target: where kernels run.
        precision: ``"single"`` or ``"double"``.
        skin: added to the cut-offs in neighbour lists [length].
        capacity: entries of a particle's list to begin with; estimated when None.
        least: distance of two particles, in units of their sigma, that is allowed.
        lists: ``"runs"``, ``"mixed"`` or ``"blind"``: what the kernel's lists look like (kernels/workspace.cuh); by default
            what the target reads fastest.
        hard: whether the kernel is one of hard spheres.

    Raises:
        BoxTooSmall, UnknownSpecies, InvalidInput, ParticlesOverlap
    """

    def __init__(
        self,
        system: System,
        snapshots: Sequence[Snapshot],
        target: Cpu | Cuda,
        precision: str,
        skin: float,
        capacity: int | None = None,
        least: float = TOO_CLOSE,
        lists: str | None = None,
        hard: bool = False,
    ):
        if (as_system(system).law == "hard") != hard:
            raise InvalidInput(f"{system.name}: {NO_FORCES if not hard else FORCES}")
        for k, snapshot in enumerate(snapshots):
            system.check(snapshot)
            require_no_overlap(system, snapshot, k, least)
        self.system, self.target = system, target
        self.n, self.d = snapshots[0].positions.shape
        self.configurations = len(snapshots)
        self.skin, self.lists = skin, lists or target.lists
        self.double = precision == "double"
        self.constants = target.compile_constants(self.n, kernel_constants(system, precision, self.lists))
        self.boxes = np.stack([s.box for s in snapshots])
        self.order = np.stack([morton_order(s.positions, s.box) for s in snapshots])
        self.rank = np.argsort(self.order, axis=1)
        xp = target.xp
        reach = system.cutoff.max() + skin
        grid = np.stack([grid_of(s.box, reach) for s in snapshots])
        self._arrays = {
            "box": xp.asarray(self.boxes),
            "types": xp.asarray(np.stack([s.types[o] for s, o in zip(snapshots, self.order, strict=True)])),
            "grid": xp.asarray(grid),
            "pairs": _upload(xp, pair_table(system, skin, self.constants)),
            "mass": xp.asarray(system.mass),
        }
        self.bins = int((len(system.species) if self.lists == "runs" else 1) * grid.prod(axis=1).max())
        self.places = self._places(snapshots)
        self.capacity = capacity or self._estimate(reach)
        self._scratch: dict[str, Any] = {}
        self.most_slots = self._room()

    def _estimate(self, reach: float) -> int:
        """A first guess at the longest list, from the mean density, rounded to vector lanes."""
        volume = np.prod(self.boxes, axis=1).min()
        sphere = np.pi * reach**2 if self.d == 2 else 4 / 3 * np.pi * reach**3
        mean = self.n * sphere / volume
        guess = 1.15 * mean + 4 * np.sqrt(mean) + 8 * len(self.system.species) + SCAN
        return int(min(guess, self.n + 8 * len(self.system.species) + SCAN)) // 8 * 8 + 8

    def _places(self, snapshots: Sequence[Snapshot]) -> np.ndarray:
        """Unwrapped positions in the kernels' units, (configuration, d, particle)."""
        x = np.stack([s.positions[o].T for s, o in zip(snapshots, self.order, strict=True)])
        if not self.double:
            x = np.rint(x / self.boxes[:, :, None] * 2.0**32).astype(np.int64)
        return np.ascontiguousarray(x)

    def lengths(self, places: np.ndarray, configuration: np.ndarray) -> np.ndarray:
        """Places (replica, d, particle) as float64 lengths."""
        return places if self.double else places * (self.boxes[configuration][:, :, None] / 2.0**32)

    def original_order(self, values: np.ndarray, configuration: np.ndarray) -> np.ndarray:
        """Values (row, ..., particle) of rows in the given configurations, in the snapshot's order."""
        out = np.empty_like(values)
        for k in range(len(values)):
            out[k] = values[k][..., self.rank[configuration[k]]]
        return out

    def grow_lists(self) -> None:
        """Double the capacity of the lists, up to what can ever be needed."""
        self.capacity = min(2 * self.capacity, self.n + 8 * len(self.system.species) + SCAN)
        self._scratch = {}
        self.most_slots = min(self.most_slots, self._room())

    def _scratch_shapes(self, slots: int) -> dict[str, tuple[int, ...]]:
        n, d, s = self.n, self.d, len(self.system.species)
        return {
            "list": (slots, n * self.capacity),
            "list_end": (slots, s, n),
            "bin_begin": (slots, self.bins + 1),
            "cursor": (slots, self.bins),
            "order": (slots, n + SCAN),
            "sorted": (slots, d + 1, n + SCAN),
            "packed": (slots, n, 4),
            "force": (slots, d, n),
            "energy": (slots, n),
            "virial": (slots, n),
            "moved": (slots, 2, d, n),
        }

    def bytes_per_slot(self) -> int:
        """Of lists, cells and forces of one replica in work."""
        return sum(math.prod(v) * element_dtype("Scratch", k, self.constants).itemsize for k, v in self._scratch_shapes(1).items())

    def _room(self) -> int:
        """For how many replicas in work the memory budget has room."""
        return max(1, int(SCRATCH_SHARE * memory.budget(self.target)) // self.bytes_per_slot())

    def slots(self, replicas: int, kernel: str) -> int:
        """How many replicas are in work at once: what keeps the target busy, and memory has room for."""
        return min(self.target.slots(replicas, kernel, self.constants, self.n), self.most_slots)

    def limit_slots(self, most: int) -> None:
        """No more replicas in work from now on than this, because memory did not suffice."""
        self.most_slots, self._scratch = most, {}
        self.target.free()

    def arguments(self, slots: int) -> dict[str, dict[str, Any]]:
        """The ``problem`` and ``scratch`` parts of an argument struct."""
        n, shapes = self.n, self._scratch_shapes(slots)
        if any(self._scratch.get(k) is None or self._scratch[k].shape != shape for k, shape in shapes.items()):
            self._scratch = {k: self.target.xp.zeros(v, element_dtype("Scratch", k, self.constants)) for k, v in shapes.items()}
        return {
            "problem": {"particles": n, **self._arrays},
            "scratch": {"capacity": self.capacity, "bins": self.bins, **self._scratch},
        }

    def run(self, kernel: str, struct: str, slots: int, **values: Any) -> None:
        """Fill an argument struct and run a kernel to its end."""
        arguments = fill(struct, self.constants, {**self.arguments(slots), **values})
        self.target.run(kernel, struct, self.constants, arguments, slots, self.n)


def _upload(xp: Any, table: np.ndarray) -> Any:
    """A structured table on the target, which need not know structured dtypes."""
    if xp.ndarray is np.ndarray:
        return table
    raw = xp.asarray(table.view(np.uint8))
    return _Typed(raw, table.dtype)


class _Typed:
    """Device bytes that say which struct they hold."""

    def __init__(self, raw: Any, dtype: np.dtype):
        self.data, self.flags, self.dtype, self._raw = raw.data, raw.flags, dtype, raw
