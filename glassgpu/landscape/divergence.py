"""How far two distributions of outputs are from one another."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import InvalidInput


def jensen_shannon(a: ArrayLike, b: ArrayLike, edges: ArrayLike, *, corrected: bool = True, splits: int = 10, seed: int = 0) -> float:
    """Jensen-Shannon divergence in bits of two sets of z-scored outputs, less what finite samples of one distribution show.

    JSD = (D(P || M) + D(Q || M)) / 2, M = (P + Q) / 2, with logarithms to base 2: 0 for equal distributions, 1 for those
    that share no bin. Two samples of n and m values of one distribution in K bins show (K - 1)(1/n + 1/m) / (8 ln 2), the
    halves of each sample on average twice that; half of their mean divergence is therefore taken off.

    Args:
        a, b: (n,), (m,) float64, at least two each, z-scored [1].
        edges: (k,) ascending [1]; what lies outside is counted in two further bins.
        corrected: whether to correct. Outputs of two models for the same particles share their noise; the correction,
            made for independent samples, is then an upper bound of it.
        splits: random halvings of each sample.
        seed: of the halvings.

    Returns:
        0 to 1; 0 also where the correction is the larger.

    Raises:
        InvalidInput: NaN, fewer than two values, edges that do not rise.

    Source: Lin, IEEE Trans. Inf. Theory 37, 145 (1991); TH section 3.3.1, whose bounds need base 2.
    """
    one, two = (validate.array(name, v, np.float64, (None,)) for name, v in (("a", a), ("b", b)))
    limits = validate.array("edges", edges, np.float64, (None,))
    if min(len(one), len(two)) < 2 or len(limits) < 1 or not (np.diff(limits) > 0).all():
        raise InvalidInput("jensen_shannon needs at least two values of each and edges that rise")
    validate.whole("splits", splits, least=1)
    random = np.random.default_rng(validate.whole("seed", seed, least=0))
    in_bins = [np.searchsorted(limits, v, side="right") for v in (one, two)]
    size = len(limits) + 1
    found = _divergence(*(np.bincount(i, minlength=size) for i in in_bins))
    if corrected:
        halves = []
        for i in in_bins:
            for _ in range(splits):
                mixed = random.permutation(i)
                halves.append(_divergence(*(np.bincount(h, minlength=size) for h in (mixed[::2], mixed[1::2]))))
        found -= float(np.mean(halves)) / 2
    return min(max(found, 0.0), 1.0)


def _divergence(a: np.ndarray, b: np.ndarray) -> float:
    """Of two histograms of counts."""
    from scipy.special import rel_entr

    p, q = a / a.sum(), b / b.sum()
    m = (p + q) / 2
    return float((rel_entr(p, m) + rel_entr(q, m)).sum() / 2 / np.log(2))
