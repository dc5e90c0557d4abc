"""What a model uses: how much worse it predicts when some of its columns tell it about somebody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.evaluate.scores import pearson


def permutation_importance(
    predict: Callable[[int, np.ndarray], np.ndarray], columns: Sequence[np.ndarray], targets: Sequence[np.ndarray],
    groups: Mapping[str, Sequence[int]], among: Sequence[np.ndarray] | None = None, repeats: int = 5, seed: int = 0,
) -> dict[str, np.ndarray]:  # fmt: skip
    """How much the Pearson coefficient falls when groups of columns are permuted together among particles.

    Columns of one descriptor tell nearly the same, so one alone would hardly be missed; a group keeps its inner relations.

    Args:
        predict: of configuration c with columns (N, features): (N,), both in the units of ``columns`` and ``targets``. May be asked about
            particles without a target.
        columns: per configuration, (N, features), in any units.
        targets: per configuration, (N,), in any units; NaN where a particle has none.
        groups: indices of columns by name of the group.
        among: per configuration, (N,) whole numbers: particles change places with those of the same label only, as with those of their
            species; None: with all.
        repeats: permutations of each group.
        seed: of the permutations.

    Returns:
        By group, (repeats, configurations) float64, the fall of the Pearson coefficient [1].

    Raises:
        InvalidInput

    Source: Breiman, Machine Learning 45, 5 (2001).
    """
    validate.whole("repeats", repeats, least=1)
    if len(columns) != len(targets) or not columns or (among is not None and len(among) != len(columns)):
        raise InvalidInput(f"{len(columns)} configurations of columns, {len(targets)} of targets; give one of each, and of among")
    random = np.random.default_rng(validate.whole("seed", seed, least=0))
    here = [np.isfinite(t) for t in targets]

    def score(c: int, x: np.ndarray) -> float:
        return pearson(targets[c][here[c]], predict(c, x)[here[c]])

    whole = [score(c, x) for c, x in enumerate(columns)]
    out = {name: np.zeros((repeats, len(columns))) for name in groups}
    for c, x in enumerate(columns):
        label = np.zeros(len(x), int) if among is None else np.asarray(among[c])
        for r in range(repeats):
            order = np.arange(len(x))
            for kind in np.unique(label):
                rows = np.flatnonzero(label == kind)
                order[rows] = random.permutation(rows)
            for name, chosen in groups.items():
                other = x.copy()
                other[:, chosen] = x[order][:, chosen]
                out[name][r, c] = whole[c] - score(c, other)
    return out
