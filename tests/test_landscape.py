"""P(R | S), barriers and the onset temperature against loops, hand-solved lines and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import binomtest

import glassgpu as gg
from glassgpu.landscape import (
    RearrangementProbability,
    fit_barriers,
    joined,
    onset_temperature,
    random_hyperplane,
    rearrangement_probability,
    shuffled,
)

E0, E1, S0, T0 = 7.0, 1.0, 7.4, 0.9
TEMPERATURES = (0.5, 0.55, 0.6, 0.65, 0.7)
EDGES = np.linspace(-2.5, 2.5, 9)


def exact(temperatures, scores, log_p, blocks=8, samples=10**13):
    """Counts whose probabilities are as given to 1e-10, with a scatter between blocks of one part in a thousand."""
    level = np.repeat(np.arange(len(temperatures)), blocks)
    tilt = 1 + 1e-3 * np.where(np.arange(blocks) % 2, 1, -1)
    events = np.exp(np.asarray(log_p))[level] * samples * np.tile(tilt, len(temperatures))[:, None]
    count = np.full(events.shape, samples)
    edges = np.concatenate([[scores[0] - 1], (np.array(scores[:-1]) + scores[1:]) / 2, [scores[-1] + 1]])
    return RearrangementProbability(
        np.array(temperatures), edges, level, np.round(events).astype(np.int64), count, count * np.array(scores)
    )


def liquid(seed, *, rows=30000, blocks=20, spread=0.0, replicas=10, onset=T0, temperatures=TEMPERATURES, scale=1.0, score=None):
    """P(R | S) of traps with a score that is normal; ``spread``: of ln P between blocks, which makes their rows alike."""
    random = np.random.default_rng(seed)
    parts = []
    for t in temperatures:
        s, block = random.normal(size=rows), np.arange(rows) % blocks
        log_p = S0 - E0 / t - np.log(t) + (E1 / t - E1 / onset) * s + spread * random.normal(size=blocks)[block]
        count = random.binomial(replicas, np.minimum(np.exp(log_p), 1))
        given = scale * s if score is None else score(random, s)
        parts.append(rearrangement_probability(given, count, EDGES * scale, temperature=t, block=block, replicas=replicas))
    return joined(parts)


def test_counts_equal_a_loop():
    random = np.random.default_rng(0)
    rows = 3000
    score, event = random.normal(size=rows).round(1), random.random(rows) < 0.3  # many scores lie on an edge
    t, block = random.choice([0.5, 0.6], rows), random.integers(-3, 3, rows)
    edges = [-1.0, -0.2, 0.5, 2.0]
    found = rearrangement_probability(score, event, edges, temperature=t, block=block)
    events, samples, sums = np.zeros((2, 3), int), np.zeros((2, 3), int), np.zeros((2, 3))
    outside = 0
    for s, r, at in zip(score, event, t, strict=True):
        b = 2 if s == 2.0 else next((i for i in range(3) if edges[i] <= s < edges[i + 1]), None)
        if b is None:
            outside += 1
            continue
        level = [0.5, 0.6].index(at)
        events[level, b] += r
        samples[level, b] += 1
        sums[level, b] += s
    np.testing.assert_array_equal(found.events, events)
    np.testing.assert_array_equal(found.samples, samples)
    np.testing.assert_allclose(found.score, sums / samples)
    np.testing.assert_allclose(found.probability, events / samples)
    assert found.outside == outside > 0
    for level, at in enumerate((0.5, 0.6)):
        for b in range(3):
            inside = (t == at) & (score >= edges[b]) & ((score < edges[b + 1]) | (b == 2) & (score == 2.0))
            without = np.array([event[inside & (block != k)].mean() for k in np.unique(block)])
            jackknife = np.sqrt(5 / 6 * ((without - without.mean()) ** 2).sum())
            assert found.standard_error[level, b] == pytest.approx(jackknife, rel=1e-9)
            expected = binomtest(int(events[level, b]), int(samples[level, b])).proportion_ci(0.95, method="wilson")
            np.testing.assert_allclose([end[level, b] for end in found.interval()], [expected.low, expected.high], rtol=1e-9)
    np.testing.assert_array_equal(found.enough(100), events >= 100)


def test_order_of_rows_and_names_of_blocks_mean_nothing():
    random = np.random.default_rng(1)
    score, count, block = random.normal(size=4000), random.integers(0, 4, 4000), random.integers(0, 10, 4000)
    t = np.where(np.arange(4000) % 2, 0.5, 0.6)
    one = rearrangement_probability(score, count, 5, temperature=t, block=block, replicas=4)
    order = random.permutation(4000)
    two = rearrangement_probability(score[order], count[order], 5, temperature=t[order], block=90 - block[order], replicas=4)
    hot = t == 0.6
    parts = [
        rearrangement_probability(score[w], count[w], one.edges, temperature=a, block=block[w], replicas=4)
        for w, a in ((hot, 0.6), (~hot, 0.5))
    ]
    for other in (two, joined(parts)):
        np.testing.assert_array_equal(other.events, one.events)
        np.testing.assert_array_equal(other.samples, one.samples)
        np.testing.assert_allclose(other.score, one.score, rtol=1e-12)
        np.testing.assert_allclose(other.standard_error, one.standard_error, rtol=1e-9)
    assert np.ptp(one.samples.sum(axis=0)) <= 4 * 4  # equal counts
    assert one.outside == 0
    resampled = one.resampled(random)
    assert resampled.samples.shape == one.samples.shape
    for row in resampled.block_events:
        assert (row == one.block_events).all(axis=1).any()


def test_errors_between_blocks_see_what_rows_share():
    """P at one temperature over many liquids: their scatter is that of the blocks, not that of a binomial."""
    for spread in (0.0, 0.3):
        every = [liquid(seed, rows=4000, blocks=10, spread=spread, temperatures=(0.65, 0.7)) for seed in range(60)]
        scatter = np.std([p.probability[1] for p in every], axis=0, ddof=1)[2:6]
        stated = np.sqrt(np.mean([p.standard_error[1] ** 2 for p in every], axis=0))[2:6]
        pooled = np.sqrt(np.mean([p.pooled_error[1] ** 2 for p in every], axis=0))[2:6]
        wilson = np.mean([(p.interval(0.6827)[1] - p.interval(0.6827)[0])[1] / 2 for p in every], axis=0)[2:6]
        excess = np.mean([p.excess[1] for p in every])
        print(
            f"\nspread {spread}: scatter / stated {np.round(scatter / stated, 2)}, / pooled {np.round(scatter / pooled, 2)}, excess {excess:.2f}"
        )
        np.testing.assert_allclose(scatter / stated, 1, atol=0.3)
        assert np.mean((scatter / pooled) ** 2) == pytest.approx(1, abs=0.4)  # one factor for all bins of a temperature
        if spread:
            assert (scatter / wilson > 1.5).all()
            assert excess > 2
        else:
            assert excess == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("form", ["kramers", "arrhenius"])
def test_exact_lines(form):
    """Lines of known barriers give these back; two bins meet where they must."""
    scores, t = np.array([-2.0, 0.5, 1.5]), np.array(TEMPERATURES)
    energy, entropy = E0 - E1 * scores, S0 - E1 / T0 * scores
    log_p = entropy - energy / t[:, None] - (np.log(t)[:, None] if form == "kramers" else 0)
    probability = exact(t, scores, log_p)
    found = fit_barriers(probability, form)
    assert found.used.all()
    np.testing.assert_allclose(found.energy, energy, rtol=1e-6)
    np.testing.assert_allclose(found.entropy, entropy, rtol=1e-6)
    np.testing.assert_allclose(found.score, scores)
    np.testing.assert_allclose(found.log_probability(t), log_p, atol=1e-6)
    np.testing.assert_allclose(found.free_energy(0.6), energy - 0.6 * entropy, rtol=1e-6)
    linear = found.linear
    np.testing.assert_allclose([linear.e0, linear.e1, linear.s0, linear.s1], [E0, E1, S0, E1 / T0], rtol=1e-5)
    assert linear.onset == pytest.approx(T0, rel=1e-5)
    other = fit_barriers(probability, "arrhenius" if form == "kramers" else "kramers")
    assert np.abs(other.energy - energy).min() > 0.3  # the factor 1 / T is worth about T
    onset = onset_temperature(exact(t, scores[:2], log_p[:, :2]), form, resamples=20)
    assert onset.temperature == pytest.approx(T0, rel=1e-6)
    p_there = S0 - E0 / T0 - (np.log(T0) if form == "kramers" else 0)
    assert onset.log_probability == pytest.approx(p_there, abs=1e-5)
    assert onset.reason == "" and onset.spare == 0
    assert onset.low <= onset.temperature <= onset.high


def test_two_lines_by_hand():
    """ln P of one bin at two temperatures: the slope in 1 / T by hand, and its error."""
    probability = exact((0.5, 1.0), np.array([0.0, 1.0]), np.log([[0.01, 0.02], [0.1, 0.1]]))
    found = fit_barriers(probability, "arrhenius", errors="blocks")
    np.testing.assert_allclose(found.energy, [np.log(10), np.log(5)], rtol=1e-6)  # over 1 / 0.5 - 1 / 1
    np.testing.assert_allclose(found.entropy, [np.log(1.0), np.log(0.5)], atol=1e-6)
    error = (probability.standard_error / probability.probability)[:, 0]
    np.testing.assert_allclose(found.energy_error[0], np.hypot(*error), rtol=1e-6)
    np.testing.assert_allclose(found.entropy_error[0], np.hypot(error[0], 2 * error[1]), rtol=1e-6)
    np.testing.assert_array_equal(found.spare, 0)
    assert np.isnan(found.reduced_chi2)
    assert onset_temperature(probability, "arrhenius", resamples=0).temperature == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("errors", ["blocks", "pooled"])
def test_line_equals_numpy(errors):
    probability = liquid(0)
    found = fit_barriers(probability, errors=errors)
    stated = probability.standard_error if errors == "blocks" else probability.pooled_error
    t = probability.temperatures
    for b in range(8):
        use = found.used[:, b]
        assert use.sum() > 1
        y = np.log(probability.probability[use, b] * t[use])
        error = (stated / probability.probability)[use, b]
        line, covariance = np.polyfit(1 / t[use], y, 1, w=1 / error, cov="unscaled")
        np.testing.assert_allclose([-found.energy[b], found.entropy[b]], line, rtol=1e-8)
        np.testing.assert_allclose(found.covariance[b], covariance * [[1, -1], [-1, 1]], rtol=1e-6)
        assert found.chi2[b] == pytest.approx((((np.polyval(line, 1 / t[use]) - y) / error) ** 2).sum(), rel=1e-6)


def test_which_points_are_used():
    """P above 0.2 never; too few events, warm temperatures and lone points not either."""
    probability = liquid(1, temperatures=(0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9))
    for least in (20, 100):
        found = fit_barriers(probability, least_events=least)
        good = (probability.probability <= 0.2) & (probability.events >= least)
        np.testing.assert_array_equal(found.used, good & (good.sum(axis=0) > 1))
        assert not found.used[-1].any()
    cold = fit_barriers(probability, below=0.65)
    np.testing.assert_array_equal(cold.used, found.used & (probability.temperatures < 0.65)[:, None] & cold.used.any(axis=0))
    few = fit_barriers(probability, least_events=10**7)
    assert not few.used.any()
    assert np.isnan(few.energy).all() and np.isnan(few.linear.e1) and np.isnan(few.reduced_chi2)
    assert few.reason.startswith("0 bins have two temperatures with P of at most 0.2 and 10000000 events") and "least_events" in few.reason
    assert found.reason == cold.reason == ""


def test_saturation_alone_makes_lines_meet():
    """Scores that shift rates alike at every temperature, of traps that saturate: with P > 0.2 lines meet, without they do not."""
    random = np.random.default_rng(2)
    parts = []
    for t in (0.5, 0.6, 0.7, 0.9, 1.2, 2.0):
        s, block = random.normal(size=40000), np.arange(40000) % 20
        rate = np.exp(S0 - E0 / t + 0.7 * s) / t  # parallel lines: no onset
        parts.append(rearrangement_probability(s, random.random(40000) < 1 - np.exp(-rate), EDGES, temperature=t, block=block))
    probability = joined(parts)
    assert np.isnan(onset_temperature(probability, resamples=0).temperature)
    error = probability.pooled_error
    every = gg.landscape.barriers.fit_points(probability, "kramers", probability.enough(100) & (error > 0), error / probability.probability)
    print(f"\nwith P > 0.2 the lines of parallel rates meet at {every.linear.onset:.2f}")
    assert 0.5 < every.linear.onset < 2.5


def test_errors_of_fits_cover():
    """Over many liquids: chi^2 about 1, parameters within their errors, with and without what blocks share."""
    truth = np.array([E0, E1, S0, E1 / T0])
    for spread, errors in ((0.0, "blocks"), (0.0, "pooled"), (0.2, "pooled")):
        every = [fit_barriers(liquid(seed, rows=12000, spread=spread), errors=errors, least_events=50) for seed in range(40)]
        chi2 = np.mean([f.reduced_chi2 for f in every])
        off = np.array([[f.linear.e0, f.linear.e1, f.linear.s0, f.linear.s1] - truth for f in every]) / [f.linear.errors for f in every]
        bins = np.concatenate([(f.energy - E0 + E1 * f.score) / f.energy_error for f in every])
        print(
            f"\nspread {spread}, {errors}: chi^2 {chi2:.2f}, deviations / errors {np.round(off.std(axis=0), 2)}, bins {np.nanstd(bins):.2f}"
        )
        assert chi2 == pytest.approx(1, abs=0.25)
        if not spread:  # what blocks share shifts all bins of a temperature together, which fits to single points do not see
            assert (np.abs(off.std(axis=0) - 1) < 0.4).all()
        assert np.nanstd(bins) == pytest.approx(1, abs=0.25)


def test_error_of_the_onset_covers():
    """The truth lies within one bootstrap error about 68 times of 100, and within the interval 95 times."""
    every = [onset_temperature(liquid(seed, rows=12000, spread=0.2), least_events=50, resamples=50) for seed in range(40)]
    t = np.array([o.temperature for o in every])
    one = np.mean([abs(o.temperature - T0) < o.standard_error for o in every])
    both = np.mean([o.low <= T0 <= o.high for o in every])
    print(f"\nT0 {t.mean():.4f} +- {t.std():.4f}, {one:.2f} within one error, {both:.2f} within the interval")
    assert one == pytest.approx(0.68, abs=0.15)
    assert both >= 0.87
    assert t.mean() == pytest.approx(T0, abs=0.02)
    # What blocks share makes e0 and s0 less certain than their fits say; the bootstrap knows.
    linear = [o.barriers.linear for o in every]
    off = np.array([[f.e0, f.e1, f.s0, f.s1] for f in linear]) - [E0, E1, S0, E1 / T0]
    stated, drawn = (
        np.sqrt(np.mean(np.square(e), axis=0)) for e in ([f.errors for f in linear], [o.resampled_linear.std(axis=0) for o in every])
    )
    print(
        f"deviations / errors of the fit {np.round(off.std(axis=0) / stated, 2)}, of the bootstrap {np.round(off.std(axis=0) / drawn, 2)}"
    )
    assert (off.std(axis=0) / stated)[[0, 2]].min() > 1.4
    np.testing.assert_allclose(off.std(axis=0) / drawn, 1, atol=0.35)


def test_onset_is_the_fit_of_lines_through_one_point():
    """Against SciPy on the points themselves: T0, ln P there and one slope for each bin; chi^2 is what the free lines lack."""
    probability = liquid(6)
    found = onset_temperature(probability, resamples=0)
    lines = found.barriers
    error = probability.pooled_error / probability.probability
    level, b = np.nonzero(lines.used)
    beta, y = 1 / probability.temperatures[level], np.log(probability.probability * probability.temperatures[:, None])[level, b]

    def misfit(z):
        return (z[1] - z[2:][b] * (beta - z[0]) - y) / error[level, b]

    fit = least_squares(misfit, [1.0, -0.5, *lines.energy], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert found.temperature == pytest.approx(1 / fit.x[0], rel=1e-6)
    assert found.log_probability == pytest.approx(fit.x[1] + np.log(fit.x[0]), rel=1e-5)
    assert found.chi2 == pytest.approx(2 * fit.cost - lines.chi2.sum(), rel=1e-5)
    assert found.spare == 6


def test_affine_scores():
    """Another unit of S changes e1 and s1 by its factor, and no barrier, onset or chi^2; another origin changes e0 and s0."""
    one, two = liquid(3), liquid(3, scale=5.0)
    a, b = fit_barriers(one), fit_barriers(two)
    np.testing.assert_allclose(b.energy, a.energy, rtol=1e-9)
    np.testing.assert_allclose(b.score, 5 * a.score, rtol=1e-9)
    np.testing.assert_allclose([b.linear.e1, b.linear.s1], [a.linear.e1 / 5, a.linear.s1 / 5], rtol=1e-9)
    np.testing.assert_allclose([b.linear.e0, b.linear.s0], [a.linear.e0, a.linear.s0], rtol=1e-9)
    assert b.linear.chi2 == pytest.approx(a.linear.chi2, rel=1e-6)
    shifted = RearrangementProbability(
        one.temperatures, one.edges + 2, one.level, one.block_events, one.block_samples, one.block_scores + 2 * one.block_samples
    )
    c = fit_barriers(shifted)
    assert c.linear.e1 == pytest.approx(a.linear.e1, rel=1e-9)
    assert c.linear.e0 == pytest.approx(a.linear.e0 + 2 * a.linear.e1, rel=1e-9)
    first, second = (onset_temperature(p, resamples=20) for p in (one, two))
    assert first.temperature == pytest.approx(second.temperature, rel=1e-6)
    np.testing.assert_allclose(first.resampled, second.resampled, rtol=1e-6)
    assert first.linear == pytest.approx(a.linear.onset)


def test_controls_have_no_barriers_of_their_own():
    """Delta E of shuffled scores and of a hyperplane apart from the score does not depend on them, and there is no onset."""
    normal = {}

    def apart(random, s):
        x = np.column_stack([s + 0.5 * random.normal(size=len(s)), random.normal(size=(len(s), 4)), 0.5 * s])
        w = random_hyperplane((x - x.mean(axis=0)) / x.std(axis=0), 7, uncorrelated_with=s)
        output = (x - x.mean(axis=0)) / x.std(axis=0) @ w
        normal[len(normal)] = np.corrcoef(output, s)[0, 1]
        return output / output.std()

    for score in (lambda random, s: shuffled(s, np.arange(len(s)) % 20, 5), apart):
        probability = liquid(4, score=score)
        linear = fit_barriers(probability).linear
        onset = onset_temperature(probability, resamples=10)
        print(f"\ne1 = {linear.e1:.4f} +- {linear.errors[1]:.4f}; {onset.reason}")
        assert abs(linear.e1) < 3 * linear.errors[1]
        assert np.isnan(onset.temperature) and "does not depend" in onset.reason
    true = fit_barriers(liquid(4)).linear
    assert true.e1 > 5 * true.errors[1]
    assert max(map(abs, normal.values())) < 1e-12


def test_there_may_be_no_onset():
    t, scores = np.array(TEMPERATURES), np.array([-1.0, 0.0, 1.0])
    energy = E0 - E1 * scores
    crossing_behind = (S0 + 0.5 * scores) - energy / t[:, None] - np.log(t)[:, None]  # soft particles have more entropy too
    for log_p, reason in (
        (crossing_behind, "no positive temperature"),
        (S0 - E0 / t[:, None] - np.log(t)[:, None] + scores, "does not depend"),
    ):
        found = onset_temperature(exact(t, scores, log_p), resamples=5)
        assert np.isnan(found.temperature) and np.isnan(found.standard_error) and reason in found.reason
    none = onset_temperature(liquid(5, rows=2000), least_events=10**6)
    assert np.isnan(none.temperature) and "0 bins" in none.reason
    plain = onset_temperature(liquid(5), resamples=0)
    assert np.isfinite(plain.temperature) and np.isnan(plain.standard_error)


def test_bad_input():
    s, k = np.linspace(0, 1, 40), np.arange(40) % 2
    good = {"temperature": 0.5, "block": np.arange(40) % 4}
    for args, named, message in (
        ((s, k[:5], 4), good, "rearranges has shape"),
        ((s, 2 * k, 4), good, "between 0 and replicas=1"),
        ((np.full(40, np.nan), k, 4), good, "NaN"),
        ((s, k, [0.0, 0.0, 1.0]), good, "must rise"),
        ((np.ones(40), k, 4), good, "must rise"),
        ((s, k, 0), good, "bins"),
        ((s, k, 4), good | {"temperature": 0.0}, "above 0"),
        ((s, k, 4), good | {"temperature": np.ones(3)}, "temperature has shape"),
        ((s, k, 4), good | {"block": np.arange(3)}, "block has shape"),
        ((s, k, 4), good | {"replicas": 0}, "replicas"),
    ):
        with pytest.raises(gg.errors.InvalidInput, match=message):
            rearrangement_probability(*args, **named)
    cold, warm = (rearrangement_probability(s, k, 4, temperature=t, block=good["block"]) for t in (0.5, 0.6))
    single = rearrangement_probability(s, k, cold.edges, temperature=0.7, block=np.zeros(40, int))
    for parts in ([], [cold, rearrangement_probability(s, k, 5, **good)]):
        with pytest.raises(gg.errors.InvalidInput, match="same edges"):
            joined(parts)
    both = joined([cold, warm])
    for call in (fit_barriers, onset_temperature):
        for args, named, message in (
            ((both, "vogel"), {}, "form"),
            ((both,), {"errors": "none"}, "errors"),
            ((both,), {"least_events": 0}, "least_events"),
            ((both,), {"below": -1.0}, "below"),
            ((both,), {"below": 0.55}, "1 temperatures below 0.55"),
            ((cold,), {}, "needs at least two"),
            ((joined([cold, single]),), {}, "single block"),
        ):
            with pytest.raises(gg.errors.InvalidInput, match=message):
                call(*args, **named)
    for seed in (-1, 0.5):
        with pytest.raises(gg.errors.InvalidInput, match="seed"):
            onset_temperature(both, seed=seed)
