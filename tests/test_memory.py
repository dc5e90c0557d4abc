"""Memory of a cycle: planted, absent, or only a response; and what noise alone gives."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import scipy.stats
from glassgpu.experiments import memory

import glassgpu as gg
from glassgpu import protocols
from glassgpu.descriptors import Softness
from glassgpu.landscape import contrast, cycle_memory, groups_by_score, scores_along
from glassgpu.models import Hyperplane
from glassgpu.study.status import stage_status

TIMES = np.arange(70.0, 140.0, 2.0)  # from when the cycle goes back
GROUPS, CONFIGURATIONS, REPLICAS = 8, 8, 8
SLOPE = np.linspace(-1, 1, GROUPS)


def noise(random, states, slow, fast):
    """Every replica's own: a slow part with a memory of 20, and vibrations."""
    out, now = np.empty((*states, len(TIMES), GROUPS)), random.normal(size=(*states, GROUPS))
    keep = np.exp(-(TIMES[1] - TIMES[0]) / 20)
    for t in range(len(TIMES)):
        out[:, :, t] = slow * now
        now = keep * now + np.sqrt(1 - keep**2) * random.normal(size=now.shape)
    return out + fast * random.normal(size=out.shape)


def runs(seed, response=0.0, residue=0.0, curved=0.0, replicas=REPLICAS):
    """Scores of five kinds of run: groups that relax, a response of each step that is another for each group and slow in part, one that
    bends with the temperature, and a residue that no step alone leaves behind."""
    random = np.random.default_rng(seed)
    states = (CONFIGURATIONS, replicas)
    relaxing = SLOPE * np.exp(-TIMES / 60)[:, None] * (1 + 0.1 * random.normal(size=(CONFIGURATIONS, 1, 1, 1)))

    def after(t0):
        return np.where(t0 < TIMES, 1 - np.exp(-np.maximum(TIMES - t0, 0) / 15), 0)[:, None]

    instant = (TIMES < 75)[:, None]  # as what follows the bath at once
    up = response * (0.5 + 0.5 * SLOPE) * after(35)
    down = -response * (0.5 + 0.5 * SLOPE) * after(75)
    bath = {"cycle": curved * instant, "control": 0.0, "up": curved, "down": curved * instant, "warm": curved}
    share = noise(random, states, 0.05, 0)  # what runs from the same states have in common
    other = noise(random, states, 0.05, 0)
    made = {"cycle": up + down, "control": 0.0, "up": up, "down": down, "warm": 0.0}
    out = {}
    for name, effect in made.items():
        common = share if name in ("cycle", "control", "up") else other
        out[name] = relaxing + effect + bath[name] * (1 + SLOPE) + common + noise(random, states, 0.03, 0.03)
    left = SLOPE * np.exp(-70.0 / 60)
    out["low"], out["high"] = (left + common[:, :, 0] + 0.03 * random.normal(size=(*states, GROUPS)) for common in (share, other))
    out["cycle"] = out["cycle"] + residue * SLOPE * np.exp(-(TIMES - 70) / 30)[:, None]
    return out


def test_a_planted_memory_is_found_and_has_its_size():
    found = cycle_memory(**runs(1, response=0.2, residue=0.05))
    assert found.verdict == "memory"
    expected = 0.05 * SLOPE * np.exp(-(TIMES - 70) / 30)[:, None]
    assert ((found.memory.value - expected) ** 2 / found.memory.error**2).mean() < 1.4


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("curved", [0.0, 0.3])
def test_a_pure_response_is_no_memory(seed, curved):
    found = cycle_memory(**runs(10 + seed, response=0.2, curved=curved))
    assert found.verdict == "response"
    assert found.response.found and not found.memory.found
    assert found.memory.p > 0.005


@pytest.mark.parametrize("replicas", [2, 8])
def test_noise_is_noise(replicas):
    """Forty times: p is uniform; chi^2 is one on average, but for what few replicas, or eight configurations, know of their errors."""
    all_of_it = [cycle_memory(**runs(100 + seed, replicas=replicas), resamples=400) for seed in range(40)]
    by_replicas = CONFIGURATIONS * (replicas - 1)
    for kind, freedom in (("shift", by_replicas), ("response", by_replicas), ("memory", 2 * (CONFIGURATIONS - 1))):
        p = np.array([getattr(found, kind).p for found in all_of_it])
        chi2 = np.array([getattr(found, kind).chi2 for found in all_of_it])
        assert abs(p.mean() - 0.5) < 4 / np.sqrt(12 * 40)
        assert (p < 0.1).sum() <= 10  # 4 expected
        assert abs(chi2.mean() - freedom / (freedom - 2)) < 4 * chi2.std() / np.sqrt(40) + 0.05
    # A verdict needs three contrasts below 0.0027 or none: 0.3 of 40 expected otherwise.
    assert [found.verdict for found in all_of_it].count("noise") >= 37


def memoryless(seed, replicas, few, stay, warmer=7.0, colder=30.0, kept=None):
    """Groups of 200 particles whose softness relaxes at a rate that the temperature of the moment decides, and nothing else; made at
    time 0 of other liquids at either temperature. ``kept`` adds to the cycle what a memory would: a share of what is left."""
    random = np.random.default_rng(seed)
    wait, ramps, after = 10, 5, 30
    edges = scipy.stats.norm.ppf(np.linspace(0, 1, GROUPS + 1))
    middle = -np.diff(scipy.stats.norm.pdf(edges)) * GROUPS

    def begin(count):
        return np.repeat((middle + random.normal(size=(CONFIGURATIONS, 1, GROUPS)) / np.sqrt(200)), count, axis=1)

    def go(x, share_hot):
        out = []
        for share in share_hot:  # a step of 1, at a rate between the two
            keep = np.exp(-(share / warmer + (1 - share) / colder))
            x = keep * x + np.sqrt((1 - keep**2) / 200) * random.normal(size=x.shape)
            out.append(x)
        return np.stack(out, axis=2)

    hot, cold, rise = np.ones(after), np.zeros(after), (np.arange(ramps) + 1) / ramps
    waited = go(begin(replicas), np.zeros(wait))[:, :, -1]
    low = go(waited, np.concatenate([rise, np.ones(stay)]))[:, :, -1]
    high = go(begin(few), np.ones(ramps + stay))[:, :, -1]
    path, flat = np.concatenate([1 - rise, cold]), np.concatenate([np.ones(ramps), hot])
    made = {"cycle": go(low, path), "control": go(waited, np.zeros(2 * ramps + stay + after))[:, :, ramps + stay :]}
    made |= {"up": go(low[:, :few], flat), "down": go(high, path), "warm": go(high, flat), "low": low, "high": high}
    if kept:
        made["cycle"] = made["cycle"] + kept * low.mean(axis=(0, 1)) * np.exp(-np.arange(ramps + after) / 20)[:, None]
    return made


@pytest.mark.parametrize("stay", [5, 40])
@pytest.mark.parametrize(("replicas", "few"), [(2, 2), (16, 2), (64, 64)])
def test_a_liquid_without_memory_has_none(replicas, few, stay):
    """However fast its groups relax in the warmth, and although those of the two temperatures are other particles."""
    found = [cycle_memory(**memoryless(seed, replicas, few, stay), resamples=400) for seed in range(10)]
    assert sum(f.memory.p < 0.05 for f in found) <= 3  # 0.5 expected
    assert not any(f.memory.p < 0.003 for f in found)
    kept = np.array([[f.kept.value[-1, 0], f.kept.error[-1, 0]] for f in found])
    assert (np.abs(kept[:, 0]) < 5 * kept[:, 1]).all()


def test_one_that_keeps_a_share_is_told():
    found = cycle_memory(**memoryless(3, 64, 64, 5, kept=0.2))
    assert found.verdict == "memory"
    expected = 0.2 * np.exp(-np.arange(35) / 20)
    assert np.abs((found.kept.value[:, 0] - expected) / found.kept.error[:, 0]).max() < 5


def test_pairs_help_and_errors_are_those_of_the_mean():
    """What runs share cancels; and errors are what the mean scatters by when all is drawn again."""
    means, errors = [], []
    for seed in range(60):
        made = runs(500 + seed)
        found = contrast(made["cycle"] - made["control"], resamples=400)
        means.append(found.value), errors.append(found.error)
    assert np.std(means, axis=0).mean() == pytest.approx(np.mean(errors), rel=0.05)
    apart = np.sqrt(contrast(made["cycle"], resamples=400).error ** 2 + contrast(made["control"], resamples=400).error ** 2)
    assert np.mean(errors) < 0.8 * apart.mean()


def test_equal_runs_have_no_noise_to_speak_of():
    made = runs(3)
    with pytest.raises(gg.errors.InvalidInput, match="give other seeds"):
        contrast(made["cycle"] - made["cycle"])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda m: m.update(control=m["control"][:, :3]), "control has shape"),
        (lambda m: m.update(warm=m["warm"][:3]), "warm has shape"),
        (lambda m: m.update(up=np.concatenate([m["up"], m["up"]], axis=1)), "up has shape"),
        (lambda m: m.update(low=m["low"][:, :1]), "low has shape"),
        (lambda m: m.update({k: v[:1] for k, v in m.items()}), "between configurations"),
        (lambda m: m.update({k: v[:, :, :3] for k, v in m.items() if k in ("down", "warm")}), "the same times and groups"),
        (lambda m: m.update(up=m["up"][0]), "up has shape"),
        (lambda m: m.update(low=None), "low"),
        (lambda m: m.update(cycle=np.where(m["cycle"] > 0, np.nan, 0)), "finite|NaN|nan"),
    ],
)
def test_bad_input(change, what):
    made = runs(4)
    change(made)
    with pytest.raises(gg.errors.InvalidInput, match=what):
        cycle_memory(**made)


def test_memory_smoke(tmp_path):
    options = memory.Memory(out=tmp_path, scale="smoke", backend="cpu")
    page = memory.run(options)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    left = np.array(numbers["relaxing"]["0.8"]["excess"])
    assert 0.8 < left[0] < 1.02 and left[-1] < 0.7  # at 0.05 nearly all is left
    cycle = numbers["cycles"]["thesis"]
    assert np.shape(cycle["thermal"]["memory"]["value"]) == (3, 4) and np.shape(cycle["at rest"]["memory"]["value"]) == (1, 4)
    assert cycle["temperature"][0] == pytest.approx(0.9) and cycle["temperature"][-1] == pytest.approx(0.8)
    assert 0 < cycle["thermal"]["memory"]["p"] <= 1
    text = page.read_text()
    assert text.count("data:image/png") == 5
    assert text.count("<td>not reachable</td>") == len(gg.evaluate.read_claims("memory"))
    words = re.sub(r"base64,[^\"]*", "", text)
    assert not re.search(r"\b(nan|inf)\b", words)
    assert {s.state for s in stage_status(tmp_path)} == {"done"}
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}
    memory.run(options)
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.glob("stages/*/*")}


@pytest.mark.validate
def test_a_cycle_of_no_amplitude(figures):
    """64 replicas: with equal seeds a cycle from T to T is its control, bit for bit; with others chi^2 says noise, by the errors quoted."""
    system, describe = gg.systems.kob_andersen(n=2048), Softness(angular=False)
    quiet = {"backend": "cpu", "progress": False}
    starts = gg.equilibrate(system, 0.7, 10.0, seed=1, configurations=8, accept=None, **quiet)
    x = describe(starts).values
    rows = x[np.stack([s.types for s in starts]) == 0]
    deviation = np.where(np.ptp(rows, axis=0) > 0, rows.std(axis=0), 1.0)
    weights = np.random.default_rng(0).normal(size=rows.shape[1])
    weights /= ((rows - rows.mean(axis=0)) / deviation @ weights).std()
    plane = Hyperplane(rows.mean(axis=0), deviation, weights, 0.0)
    score = scores_along(plane, describe, groups_by_score(plane, describe, starts, groups=8))

    def scores(segments, seed):
        run = gg.simulate.protocol(system, starts, segments, times=np.arange(1.0, 13.0), replicas=8, seed=seed, score=score, **quiet)
        return run.scores["mean"].values

    flat = protocols.cycle(0.7, 0.7, 2, 1, 3, 5)
    cycle = scores(flat, 1)
    assert np.array_equal(cycle, scores(protocols.hold(0.7, protocols.duration_of(flat)), 1))
    control = scores(protocols.hold(0.7, 12), 2)
    for shifts in (False, True):
        found = contrast(cycle - control, shifts=shifts)
        figures(
            **{
                "with the shift" if shifts else "without": {
                    "chi2": found.chi2,
                    "p": found.p,
                    "largest": found.largest,
                    "tests": found.tests,
                }
            }
        )
        assert 0.7 < found.chi2 < 1.3 and not found.found
    warm = scores(protocols.cycle(0.7, 0.9, 2, 1, 3, 5), 3)
    assert contrast(warm - control, shifts=True).found
