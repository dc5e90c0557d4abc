"""Training and test rows. The way they are split is always named.

A random split of particles inside one configuration leaks: neighbours share averages, and the
test score then says little about another configuration.
"""

from __future__ import annotations

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput, LeakySplit

WAYS = ("by_configuration", "spatial_blocks", "random_particles")


def split(
    configuration: np.ndarray,
    how: str = "by_configuration",
    *,
    folds: int | None = None,
    positions: np.ndarray | None = None,
    box: np.ndarray | None = None,
    margin: float | None = None,
    seed: int = 0,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds as pairs of row numbers (train, test); every row is tested once.

    Args:
        configuration: (rows,) int, which configuration each row belongs to.
        how: ``"by_configuration"``: whole configurations are left out (leave one out unless
            ``folds``); the only way that asks for transfer to unseen configurations.
            ``"spatial_blocks"``: within every configuration one slab along x is left out, and
            rows closer than ``margin`` to it are not trained on; for a single configuration.
            ``"random_particles"``: leaks; only to reproduce a paper.
        folds: number of folds; by default one per configuration, or 5 for the other ways.
        positions: (rows, d), for spatial blocks [length].
        box: (d,) or (rows, d) sides, for spatial blocks [length].
        margin: for spatial blocks [length]: the reach of the descriptors for an honest score; with 0
            neighbours across the face leak.
        seed: of the random ways.

    Returns:
        For each fold two arrays (rows,) int64, indices of its training rows and of its test rows.

    Raises:
        LeakySplit: fewer configurations than folds.
        InvalidInput

    Source: project notes, section 4 (honest splits).

    Example:
        >>> folds = gg.evaluate.split(np.array([0, 0, 1, 1, 2, 2]), "by_configuration")
        >>> train, test = folds[0]
        >>> train.tolist(), test.tolist()
        ([2, 3, 4, 5], [0, 1])
    """
    validate.choice("how", how, WAYS)
    configuration = validate.array("configuration", configuration, np.int64, (None,))
    rows = np.arange(len(configuration))
    random = np.random.default_rng(validate.whole("seed", seed, least=0))
    if how == "by_configuration":
        names = np.unique(configuration)
        folds = validate.whole("folds", len(names) if folds is None else folds, least=1)
        if len(names) < 2 or folds < 2 or folds > len(names):
            raise LeakySplit(
                f"{len(names)} configurations cannot be split by configuration into {folds} folds; add configurations, "
                "or say how='spatial_blocks' and read the score as one of that configuration only"
            )
        group = np.array_split(names if folds == len(names) else random.permutation(names), folds)
        return [(rows[~np.isin(configuration, g)], rows[np.isin(configuration, g)]) for g in group]
    folds = validate.whole("folds", 5 if folds is None else folds, least=2, most=len(rows))
    if how == "random_particles":
        fold_of = random.permutation(rows % folds)
        return [(rows[fold_of != k], rows[fold_of == k]) for k in range(folds)]
    if positions is None or box is None or margin is None:
        raise InvalidInput("how='spatial_blocks' needs positions=, box= and margin= (the descriptors' reach; 0 leaks)")
    validate.number("margin", margin, least=0)
    places = validate.array("positions", positions, np.float64, (len(rows), None))
    sides = np.asarray(box, float)
    if sides.shape not in (places.shape, places.shape[1:]) or not (sides > 0).all():
        raise InvalidInput(f"box has shape {sides.shape}; expected {places.shape[1:]} or {places.shape} sides above 0")
    side = np.broadcast_to(sides, places.shape)[:, 0]
    turn = (places[:, 0] / side) % 1.0
    out = []
    for k in range(folds):
        inside = (turn * folds).astype(int) % folds == k
        away = np.abs((turn - (k + 0.5) / folds + 0.5) % 1.0 - 0.5) - 0.5 / folds  # turns from the slab
        train = ~inside & (away * side >= margin)
        if not train.any():
            raise InvalidInput(
                f"margin={margin:g} leaves no training rows beside slabs of {1 / folds:.3g} of the box; take a smaller margin"
            )
        out.append((rows[train], rows[inside]))
    return out
