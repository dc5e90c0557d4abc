"""The landscape pipeline on traps whose barriers are known."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.landscape import explained_variance
from glassgpu.landscape.trap_model import TrapModel, recover, trap_ensemble

# Bounds of what the pipeline must find where no noise hides it, written before its first run.
BARRIERS = 0.10  # of Delta E in every bin, and of e1
ENTROPY = 0.10  # of Sigma in every bin
SLOPE_OF_ENTROPY = 0.15  # of s1
ONSET = 0.05  # of T0, and 3 of its bootstrap errors
CORRELATION = 0.95  # of the score learned with the true one, at least
REDUCED_CHI2 = 2.0
# Bounds with noise: the share of the variance of barriers falls at every step, and stays below what columns can explain.
NOISE = (0.0, 0.25, 0.5, 0.75, 1.0)
ABOVE_CEILING = 0.10  # by chance, of e1^2 / (e1^2 + noise^2)


@pytest.fixture(scope="module")
def found():
    return [recover(TrapModel(noise=s), seed=1) for s in NOISE]


def test_known_barriers_are_found(found):
    clean, truth = found[0], TrapModel()
    barriers, linear = clean.barriers, clean.barriers.linear
    print(f"\ncorrelation {clean.correlation:.4f}, chi^2 {barriers.reduced_chi2:.2f}")
    print(f"e0, e1, s0, s1 = {linear.e0:.3f}, {linear.e1:.3f}, {linear.s0:.3f}, {linear.s1:.3f} +- {np.round(linear.errors, 3)}")
    print(
        f"true {truth.e0}, {truth.e1}, {truth.s0}, {truth.s1:.3f}; T0 = {clean.onset.temperature:.4f} +- {clean.onset.standard_error:.4f}"
    )
    assert clean.correlation >= CORRELATION
    np.testing.assert_allclose(barriers.energy, truth.e0 - truth.e1 * barriers.score, rtol=BARRIERS)
    np.testing.assert_allclose(barriers.entropy, truth.s0 - truth.s1 * barriers.score, rtol=ENTROPY)
    assert linear.e1 == pytest.approx(truth.e1, rel=BARRIERS)
    assert linear.s1 == pytest.approx(truth.s1, rel=SLOPE_OF_ENTROPY)
    assert clean.onset.temperature == pytest.approx(truth.onset, rel=ONSET)
    assert abs(clean.onset.temperature - truth.onset) < 3 * clean.onset.standard_error
    assert barriers.reduced_chi2 < REDUCED_CHI2
    assert clean.share == pytest.approx(1, abs=2 * BARRIERS)


def test_noise_hides_the_variance_of_barriers(found):
    """What no column explains is lost, and no score can tell: the worry of the thesis' reference 92."""
    ceilings = [1 / (1 + s**2) for s in NOISE]
    print("\nnoise, e1 found, correlation, variance inferred / true, ceiling")
    for s, f, ceiling in zip(NOISE, found, ceilings, strict=True):
        print(f"{s:.2f} {f.barriers.linear.e1:.3f} {f.correlation:.3f} {f.share:.3f} {ceiling:.3f}")
    shares = np.array([f.share for f in found])
    assert (np.diff(shares) < 0).all()
    assert (shares <= np.array(ceilings) * (1 + ABOVE_CEILING)).all()
