"""The features of softness: Gaussian shells of each species and bond-orientational order (thesis TH)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu import memory, validate
from glassgpu.descriptors.descriptor import Descriptor, at_once
from glassgpu.descriptors.shell_average import add_generations
from glassgpu.descriptors.shells import shell_group
from glassgpu.errors import InvalidInput
from glassgpu.launch import Cpu, Cuda, target
from glassgpu.structure.cells import PADDING, Cells
from glassgpu.types import Snapshot

TAIL = 5.0  # a shell at r with width delta counts neighbours up to r + 5 delta
# Of kernels/even_harmonics.cuh, kernels/equal_shells.cuh and kernels/run_softness.cu.
L_MAX, BOND, BANDS, SPARE = 14, 5, 2, 32
SUMS = sum(2 * l + 1 for l in range(2, L_MAX + 1, 2))
# Bands of distance and steps of at most 35 delta, and shells up to 37 delta beyond the middle of a band, keep every factor
# between e^-700 and e^700; left out is what is below e^-190.
WIDEST, FARTHEST = 35.0, 37.0

RADIAL = (0.0, 4.9, 50, 0.2)  # first r, last r, number, delta: TH 3.2.3
SHELLS = (1.0, 3.0, 5, 0.5)  # first r_min, last r_min, number, width: TH 3.2.3


class Softness(Descriptor):
    """135 columns a generation for two species in three dimensions.

    Radial (per species X, then r): G_X(i; r, delta) = sum_j exp(-(r - R_ij)^2 / 2 delta^2) over j != i of species X with
    R_ij < r + 5 delta. Angular (per l = 2, 4 .. 14, then r_min): Q_l(i; r_min, r_max) = sqrt(4 pi / (2l+1) sum_m |<Y_lm>|^2)
    with the mean over neighbours of all species with r_min < R_ij < r_max; 0 where there are none. Generation n + 1 is the
    ``shell_average`` of generation n. Columns are pure numbers.

    Args:
        species: names by type number.
        angular: also the columns Q_l; without them the 100 columns of TH chapter 2.
        generations: 1, or 3 as in TH 3.4; the columns of generation n end in ``[n]``.
        radial: (first r, last r, number, delta) of the Gaussians [length].
        shells: (first r_min, last r_min, number, r_max - r_min) of the shells of bonds [length].
        r_c: of the averages [length].
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Raises:
        InvalidInput

    Source: TH equations 3.1 to 3.3 and 3.5 (2.1 for the radial columns alone); Schoenholz et al., Nat. Phys. 12, 469 (2016).

    Example:
        >>> liquid = gg.systems.kob_andersen(n=1972).random_snapshot(seed=1)  # the columns reach 5.9
        >>> gg.descriptors.Softness(angular=False)(liquid).shape
        (1972, 100)
    """

    dimensions = (3,)

    def __init__(
        self,
        species: Sequence[str] = ("A", "B"),
        angular: bool = True,
        generations: int = 1,
        radial: tuple[float, float, int, float] = RADIAL,
        shells: tuple[float, float, int, float] = SHELLS,
        r_c: float = 2.1,
        backend: str = "auto",
        threads: int | None = None,
    ):
        super().__init__(species, backend, threads)
        self.angular = validate.choice("angular", angular, (True, False))
        self.generations = validate.whole("generations", generations, least=1)
        self.radial = shell_group("radial", radial)
        self.shells = shell_group("shells", shells)
        self.r_c = validate.number("r_c", r_c, above=0)
        self._split, self._end = _bands(self.radial, self._bonds_end)

    def __repr__(self) -> str:
        shells = f"shells={self.shells}" if self.angular else "angular=False"
        return f"Softness(species={self.species}, {shells}, generations={self.generations}, radial={self.radial}, r_c={self.r_c})"

    @property
    def _bonds_end(self) -> float:
        return self.shells[1] + self.shells[3] if self.angular else 0.0

    @property
    def reach(self) -> float:
        return max(self._end, self.r_c if self.generations > 1 else 0.0)

    @property
    def columns(self) -> list[str]:
        first = [f"G_{s}({r:.3f})" for s in self.species for r in np.linspace(*self.radial[:3])]
        if self.angular:
            first += [f"Q_{l}({r:.2f})" for l in range(2, L_MAX + 1, 2) for r in np.linspace(*self.shells[:3])]
        return [name + (f"[{n}]" if n else "") for n in range(self.generations) for name in first]

    def compute_rows(self, snapshots: Sequence[Snapshot], configuration: np.ndarray, particle: np.ndarray) -> np.ndarray:
        if self.generations > 1:  # an average needs all
            return super().compute_rows(snapshots, configuration, particle)
        self.check_all(snapshots)
        place = target(self.backend, self.threads)
        rows = np.empty((len(particle), len(self.columns)))

        def work(which: slice) -> None:
            part = snapshots[which]
            here = np.flatnonzero((configuration >= which.start) & (configuration < which.stop))
            where = configuration[here] - which.start, particle[here]
            wanted = np.zeros((len(part), part[0].n), np.int32)
            wanted[where] = 1
            out = self._first_generation(place, part, wanted)
            rows[here] = place.to_numpy(out[tuple(place.xp.asarray(x) for x in where)])

        if len(rows):
            memory.pieces(work, len(snapshots), at_once(snapshots[0].n * rows[:1].nbytes, place), "configurations")
        return rows

    def compute_on(self, place: Cpu | Cuda, snapshots: Sequence[Snapshot]) -> Any:
        width = len(self.columns) // self.generations
        out = self._first_generation(place, snapshots)
        add_generations(place, snapshots, out, width, self.generations, self.r_c, len(self.species))
        return out

    def _first_generation(self, place: Cpu | Cuda, snapshots: Sequence[Snapshot], wanted: np.ndarray | None = None) -> Any:
        """(configuration, N, columns), of which all but the first generation are still empty, and rows that are not wanted."""
        species, width = len(self.species), len(self.columns) // self.generations
        xp = place.xp
        out = xp.empty((len(snapshots), snapshots[0].n, width * self.generations))
        cells = Cells(snapshots, self._end, species, place, LONG_VECTORS=1, ONE_WARP=1)
        first, last, number, thickness = self.shells
        r_min = np.linspace(first, last, number)[: number if self.angular else 0]
        capacity, images = cells.capacity, cells.capacity * 2**cells.few
        cells.run(
            "run_softness", "SoftnessArguments",
            radial=_equal_shells(self.radial, self._split, self._end, xp), columns=out.shape[2], shells=len(r_min), split=self._split,
            reach=self._end, wanted=None if wanted is None else xp.asarray(wanted), r_min=xp.asarray(r_min), r_max=xp.asarray(r_min + thickness),
            legendre=_legendre(xp), images=images, out=out,
            **cells.scratch(
                "SoftnessArguments", image=(3, images), where=(BANDS, images + 1), square=(images,), which=(capacity + SPARE,),
                inner=(4, capacity + SPARE), outer=(capacity + SPARE,), bond=(BOND, capacity + SPARE), bell=(BANDS, self.radial[2], PADDING),
                sum=(len(r_min), SUMS + PADDING),
            ),
        )  # fmt: skip
        return out


def _bands(radial: tuple[float, float, int, float], bonds_end: float) -> tuple[float, float]:
    """Where the second band of neighbours begins and ends: bonds lie in the first.

    Raises:
        InvalidInput: two bands are not enough.
    """
    first, last, number, delta = radial
    end = max(last + TAIL * delta, bonds_end)
    split = max(bonds_end, 0.6 * end)  # near the least work
    widest = max(split, end - split, (last - first) / max(number - 1, 1))
    if widest > WIDEST * delta:
        raise InvalidInput(
            f"radial delta={delta:g} is too narrow for shells up to {end:g}: give at least {widest / WIDEST:.2g}, or use ShellExpansion"
        )
    return split, end


def _equal_shells(radial: tuple[float, float, int, float], split: float, end: float, xp: Any) -> dict[str, Any]:
    """The ``EqualShells`` of kernels/equal_shells.cuh."""
    first, last, number, delta = radial
    centre = np.linspace(first, last, number)
    edge = centre + TAIL * delta
    bands = np.array([[0.0, split], [split, end]])
    middle = bands.mean(axis=1)
    # Distances are rounded once: an edge at a band's own end belongs to both sides.
    begins = [np.searchsorted(edge, low * (1 - 1e-12)) for low, _ in bands]
    beyond = [np.searchsorted(edge, high * (1 + 1e-12)) for _, high in bands]
    ends = np.searchsorted(centre, middle + FARTHEST * delta, side="right")
    return {
        "count": number,
        "step": (last - first) / max(number - 1, 1),
        "narrow": 1 / (2 * delta**2),
        "centre": xp.asarray(centre),
        "edge": xp.asarray(edge),
        "range": xp.asarray(np.stack([np.minimum(begins, ends), np.minimum(beyond, ends), ends], axis=1).astype(np.int32)),
        "middle": xp.asarray(middle),
        "factor": xp.asarray(np.exp(-((centre - middle[:, None]) ** 2) / (2 * delta**2))),
    }


def _legendre(xp: Any) -> dict[str, Any]:
    """The ``Legendre`` of kernels/even_harmonics.cuh: for each m and even l >= max(m, 2), b and c of
    R_l = (z^2 - b) R_(l-2) + c R_(l-4), and squares of the scales that make the squares of the real harmonics of one l sum to 1.

    From z P_l = a_(l+1) P_(l+1) + a_l P_(l-1), a_l^2 = (l^2 - m^2) / (4 l^2 - 1), of the normalised functions, twice.
    """
    b, c, scale = [], [], []
    for m in range(L_MAX + 1):
        a = [max(l * l - m * m, 0) / (4 * l * l - 1) for l in range(L_MAX + 1)]  # a_l^2, 0 up to l = m
        highest = math.prod(range(1, 2 * m, 2)) ** 2 * (2 if m else 1) / math.factorial(2 * m) * (2 * m + 1)
        some = range(max(m + m % 2, 2), L_MAX + 1, 2)
        b += [a[l - 1] + a[l - 2] for l in some]
        c += [-a[l - 2] * a[l - 3] if l > 2 else 0.0 for l in some]
        scale += [highest / (2 * l + 1) / math.prod(a[m + 1 : l + 1]) for l in some] * (2 if m else 1)
    return {"b": xp.asarray(b), "c": xp.asarray(c), "scale": xp.asarray(scale)}
