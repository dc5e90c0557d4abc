"""chi^2 of lines when liquids move all bins together."""

from __future__ import annotations

import numpy as np
import pytest

from glassgpu.errors import InvalidInput
from glassgpu.landscape import fit_barriers, rearrangement_probability, shared_chi2

TEMPERATURES = (0.5, 0.55, 0.6, 0.65, 0.7)


def liquids(seed, shared, bend=0.0, configurations=8, samples=40_000, bins=6, names=None, unit=1.0):
    """P = exp(Sigma - Delta E / T) / T in every bin, times a factor of each liquid that all bins share."""
    random = np.random.default_rng(seed)
    score, events, temperature, block = [], [], [], []
    for t in TEMPERATURES:
        for c in range(configurations):
            factor = np.exp(shared * random.normal())
            s = (np.arange(bins) + 0.5) / bins
            p = np.exp((7 - s) - (6.5 - s) / t + bend * (1 / t - 1.7) ** 2) / t * factor
            score.append(unit * s)
            events.append(random.binomial(samples, np.minimum(p, 1)))
            temperature.append(np.full(bins, t))
            block.append(np.full(bins, c if names is None else names[c]))
    return rearrangement_probability(
        np.concatenate(score), np.concatenate(events), np.sort(unit * np.linspace(0, 1, bins + 1)), temperature=np.concatenate(temperature),
        block=np.concatenate(block), replicas=samples,
    )  # fmt: skip


def both(probability):
    fit = fit_barriers(probability)
    chi2, spare = shared_chi2(probability, fit)
    return fit.reduced_chi2, chi2 / spare


def test_against_a_fit_with_the_whole_covariance():
    """The same by one large system of equations, with shifts as unknowns of known variance."""
    probability = liquids(1, 0.1)
    fit = fit_barriers(probability)
    from glassgpu.landscape import shared_errors

    rows, values, weights = [], [], []
    for level, t in enumerate(TEMPERATURES):
        at = np.flatnonzero(fit.used[level])
        covariance = shared_errors._covariance(probability, level, at)
        shared = covariance[0, 1]
        for k, b in enumerate(at):
            row = np.zeros(2 * 6 + 5)
            row[2 * b], row[2 * b + 1], row[12 + level] = 1, -1 / t, 1
            rows.append(row)
            values.append(np.log(t * probability.probability[level, b]))
            weights.append(1 / np.sqrt(covariance[k, k] - shared))
        row = np.zeros(17)
        row[12 + level] = 1
        rows.append(row)
        values.append(0.0)
        weights.append(1 / np.sqrt(max(shared, 1e-300)))
    a, y = np.array(rows) * np.array(weights)[:, None], np.array(values) * weights
    left = y - a @ np.linalg.lstsq(a, y, rcond=None)[0]
    assert shared_chi2(probability, fit)[0] == pytest.approx(left @ left, rel=1e-6)


def test_straight_lines_are_straight_whatever_liquids_share():
    for shared in (0.0, 0.3):
        each = np.array([both(liquids(seed, shared)) for seed in range(40)])
        assert 0.6 < each[:, 1].mean() < 1.4
    assert np.quantile(each[:, 0], 0.9) > 2 > np.quantile(each[:, 1], 0.9)  # counted once for each bin, and once


def test_bent_lines_are_seen():
    assert np.mean([both(liquids(seed, 0.05, bend=3.0))[1] for seed in range(10)]) > 3


def test_order_and_units_do_not_matter():
    plain, other = liquids(3, 0.2), liquids(3, 0.2, names=np.random.default_rng(0).permutation(8), unit=-3.0)
    found, again = (shared_chi2(p, fit_barriers(p)) for p in (plain, other))
    assert found[0] == pytest.approx(again[0], rel=1e-9) and found[1] == again[1]


def test_bad_input():
    two = liquids(1, 0.1, configurations=2)
    fit = fit_barriers(two)
    with pytest.raises(InvalidInput, match="three on"):
        shared_chi2(two, fit)
    probability = liquids(1, 0.1)
    fit = fit_barriers(probability, below=0.56)
    with pytest.raises(InvalidInput, match="to spare"):
        shared_chi2(probability, fit)
