"""Information imbalance: whether near neighbours in some columns are near neighbours in others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.launch import Cpu, Cuda, element_dtype, fill, target

# Of kernels/run_imbalance.cu.
TILE = 32
TEAM = 16
BLOCK = 4
PARTS = 16  # at most

LEAST, MOST = 1e-280, 1e308  # largest squared distance
LAUNCH = 1e9  # pairs times columns of one launch and core: some tenths of a second, after which Ctrl-C is heard


def information_imbalance(A: ArrayLike, B: ArrayLike, backend: str = "auto", threads: int | None = None) -> tuple[float, float]:
    """Delta(A -> B) = 2 / N^2 sum_i r^B_i,j, with j the nearest other point of i in A, and Delta(B -> A).

    Near 0 where neighbours in A are neighbours in B, near 1 where A tells nothing of B. The rank r^B_i,j counts
    all points but i by their Euclidean distance from i in B; the nearest has rank 1. **Points at equal distance
    are ordered by index.** Both are sums of whole numbers and exact: Delta of a variable with itself is 2 / N.
    Squared distances are float64 sums over the columns in their order. Columns are used as given: give
    all columns of one variable one scale first.

    Args:
        A: (N,) or (N, columns) float64, N at least 3, all columns in the same units, in any units.
        B: (N,) or (N, columns) float64, in any units, of another variable of the same points.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``.
        threads: CPU threads; they do not reach the result.

    Returns:
        Delta(A -> B) and Delta(B -> A).

    Raises:
        InvalidInput, DeviceMissing, CompilerMissing

    Source: II equation 12; Glielmo, Zeni, Cheng, Csányi, Laio, PNAS Nexus 1, pgac039 (2022).

    Example:
        >>> x = np.linspace(-1, 1, 401)
        >>> forward, backward = gg.selection.information_imbalance(x, x**2)  # x tells x^2; x^2 does not tell the sign of x
        >>> forward < 0.1 < 0.4 < backward
        True
    """
    a, b = (with_distances(name, checked_columns(name, value)) for name, value in (("A", A), ("B", B)))
    if len(a) != len(b):
        raise InvalidInput(f"A has {len(a)} points and B {len(b)}; give both of the same points")
    forward, backward = RankSums(target(backend, threads), b)(a)
    return imbalance(forward[0], len(a)), imbalance(backward[0], len(a))


def imbalance(ranks: int, n: int) -> float:
    """2 / N^2 times a sum of ranks."""
    return 2 * int(ranks) / n**2


def checked_columns(name: str, value: ArrayLike) -> np.ndarray:
    """(N, columns) float64 of at least three points.

    Raises:
        InvalidInput
    """
    out = validate.array(name, value, np.float64, (..., None))
    if out.ndim not in (1, 2):
        raise InvalidInput(f"{name} has shape {out.shape}; expected (N,) or (N, columns)")
    out = out[:, None] if out.ndim == 1 else out
    n, many = out.shape
    if n < 3:
        raise InvalidInput(f"{name} has {n} points; ranks need at least 3")
    if not many:
        raise InvalidInput(f"{name} has no columns; give at least one")
    with np.errstate(over="ignore"):
        spread = np.ptp(out, axis=0)
    if not np.isfinite(spread).all():
        raise InvalidInput(f"{name} spans more than float64 holds; divide it by its largest magnitude")
    return out


def with_distances(name: str, columns: np.ndarray) -> np.ndarray:
    """The columns, if their squared distances neither overflow nor vanish.

    Raises:
        InvalidInput
    """
    spread = np.ptp(columns, axis=0)
    with np.errstate(over="ignore", under="ignore"):
        farthest = (spread**2).sum()
    if spread.any() and not LEAST < farthest < MOST:
        raise InvalidInput(f"{name} spans {spread.max():g}, whose square float64 cannot hold well; divide it by that first")
    return columns


class RankSums:
    """Sums of ranks between columns and some targets.

    Args:
        place: where the kernel runs.
        targets: (N, targets) float64, checked.
        launch: pairs times columns of one launch, per core or multiprocessor; it does not reach the result.
    """

    def __init__(self, place: Cpu | Cuda, targets: np.ndarray, launch: float = LAUNCH):
        self.place, self.launch = place, launch
        self.n, self.targets = targets.shape
        # One particle: this kernel keeps no positions in shared memory and no lists.
        self.constants = place.compile_constants(1, {"DIMENSION": 1, "DOUBLE": 1, "LONG_VECTORS": 1})
        self.tiled = place.xp.asarray(_tiled(targets))

    def __call__(
        self,
        chosen: np.ndarray,
        candidates: np.ndarray | None = None,
        both: bool = False,
        advance: Callable[[float], Any] = lambda done: None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums over all points i of ranks around i.

        Args:
            chosen: (N, columns) float64, perhaps none.
            candidates: (N, candidates) float64, each of which is added to the chosen columns by itself.
            both: whether the second sums are wanted of every candidate.
            advance: told the fraction done since the last time.

        Returns:
            Two (1 + candidates,) int64 arrays, first of the chosen columns alone: ranks in the targets of the nearest point
            in the columns, and ranks in the columns of the nearest point in the targets (only the first without ``both``).
        """
        xp, n = self.place.xp, self.n
        candidates = chosen[:, :0] if candidates is None else candidates
        many = candidates.shape[1]
        stride, teams = -(-n // TILE) * TILE, -(-many // TEAM)
        values_of = np.zeros((stride, teams * TEAM))
        values_of[:n, :many] = candidates
        sums = [xp.zeros(1 + many, np.int64) for _ in range(2)]
        blocks = -(-n // BLOCK)
        workers = self.place.multiprocessors()
        slots = min(self.place.slots(blocks, "", self.constants, 1), 2 * workers)  # of a GPU, whose registers hold two blocks
        pairs = BLOCK * n * (chosen.shape[1] + self.targets + (1 + both) * many)
        some = max(slots, int(self.launch * workers / pairs))
        entries = teams * TEAM + 2
        shapes = {
            "distance": (2, BLOCK, stride),
            "reach": (BLOCK,),
            "farthest": (BLOCK, PARTS),
            "list": (BLOCK, stride),
            "listed": (BLOCK, PARTS),
            "shortest": (BLOCK, PARTS + 1, entries),
            "where": (BLOCK, PARTS + 1, entries),
            "leader": (BLOCK, entries),
            "before": (BLOCK, PARTS, entries),
        }
        values = {
            "points": n, "chosen": chosen.shape[1], "targets": self.targets, "candidates": many, "teams": teams, "both": int(both),
            "column": xp.asarray(_tiled(chosen)), "target": self.tiled,
            "candidate": xp.asarray(np.ascontiguousarray(values_of.reshape(stride, teams, TEAM).swapaxes(0, 1))),
            "forward": sums[0], "backward": sums[1],
            **{k: xp.empty((slots, *shape), element_dtype("ImbalanceArguments", k, self.constants)) for k, shape in shapes.items()},
        }  # fmt: skip
        for first in range(0, blocks, some):
            replicas = min(some, blocks - first)
            arguments = fill("ImbalanceArguments", self.constants, {**values, "first": first, "replicas": replicas})
            self.place.run("run_imbalance", "ImbalanceArguments", self.constants, arguments, min(slots, replicas), 1)
            advance(replicas / blocks)
        forward, backward = (self.place.to_numpy(s) + n for s in sums)  # a rank is one more than the points before
        return forward, backward


def _tiled(columns: np.ndarray) -> np.ndarray:
    """(tile, columns, TILE): the columns of TILE points together, padded with zeros."""
    n, many = columns.shape
    out = np.zeros((-(-n // TILE) * TILE, many))
    out[:n] = columns
    return np.ascontiguousarray(out.reshape(-(-n // TILE), TILE, many).transpose(0, 2, 1))
