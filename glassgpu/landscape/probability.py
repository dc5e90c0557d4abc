"""P(R | S): how often particles of one score rearrange, temperature by temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.dynamics.rearrangement import probability_interval
from glassgpu.errors import InvalidInput

LEAST_EVENTS = 100


@dataclass(frozen=True, eq=False)
class RearrangementProbability:
    """Counts of events by temperature, bin of the score and block, and what follows from them.

    Blocks are what is drawn independently: configurations, or stretches of time longer than the memory of a run.

    Attributes:
        temperatures: (temperature,) float64, ascending [energy, k_B = 1].
        edges: (bin + 1,) float64, ascending, in the units of the score; bins hold their lower edge, the last one also its upper.
        level: (block,) int64, which temperature each block belongs to.
        block_events, block_samples: (block, bin) int64.
        block_scores: (block, bin) float64, sums of the scores of the samples, in the units of these.
        outside: rows whose score lies in no bin.
    """

    temperatures: np.ndarray
    edges: np.ndarray
    level: np.ndarray
    block_events: np.ndarray
    block_samples: np.ndarray
    block_scores: np.ndarray
    outside: int = 0

    @property
    def events(self) -> np.ndarray:
        """(temperature, bin) int64: samples that rearranged."""
        return self._sums(self.block_events)

    @property
    def samples(self) -> np.ndarray:
        """(temperature, bin) int64: rows times replicas."""
        return self._sums(self.block_samples)

    @property
    def score(self) -> np.ndarray:
        """(temperature, bin) float64: mean score of the samples, in the units of the score; NaN in an empty bin."""
        return _ratio(self._sums(self.block_scores), self.samples)

    @property
    def probability(self) -> np.ndarray:
        """(temperature, bin) float64: P(R | S) [1]; NaN in an empty bin."""
        return _ratio(self.events, self.samples)

    @property
    def standard_error(self) -> np.ndarray:
        """(temperature, bin) float64: of the probability, by the jackknife over blocks [1].

        Frames of one run look alike, and particles of one configuration too: samples are fewer than they seem. NaN
        where one block holds all samples of a bin.
        """
        events, samples = self.events, self.samples
        out = np.full(events.shape, np.nan)
        for t in range(len(self.temperatures)):
            of = self.level == t
            without = _ratio(events[t] - self.block_events[of], samples[t] - self.block_samples[of])
            out[t] = np.sqrt((of.sum() - 1) * without.var(axis=0))
        return out

    @property
    def excess(self) -> np.ndarray:
        """(temperature,) float64: variance of the probability over that of as many independent samples, mean over bins [1].

        About 1 for independent samples. Few blocks give each bin's own error with little certainty; all bins together
        give one factor by which binomial variances are to be multiplied.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            each = (self.standard_error / self._binomial_error()) ** 2
        known = np.isfinite(each)
        return _ratio(np.where(known, each, 0).sum(axis=1), known.sum(axis=1))

    @property
    def pooled_error(self) -> np.ndarray:
        """(temperature, bin) float64: binomial standard error times the root of ``excess`` [1]."""
        return self._binomial_error() * np.sqrt(self.excess)[:, None]

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Ends of Wilson's interval, (temperature, bin) float64 each [1], as if all samples were independent; NaN in an empty bin.

        Raises:
            InvalidInput: a level outside (0, 1).

        Source: as ``dynamics.probability_interval``.
        """
        empty = self.samples == 0
        low, high = probability_interval(self.events, np.maximum(self.samples, 1), level)
        return np.where(empty, np.nan, low), np.where(empty, np.nan, high)

    def enough(self, least_events: int = LEAST_EVENTS) -> np.ndarray:
        """(temperature, bin) bool: bins with at least so many events.

        Raises:
            InvalidInput: fewer than 1.
        """
        return self.events >= validate.whole("least_events", least_events, least=1)

    def resampled(self, random: np.random.Generator) -> RearrangementProbability:
        """As many blocks at each temperature, drawn with replacement: one bootstrap sample."""
        drawn = np.concatenate(
            [random.choice(np.flatnonzero(self.level == t), (self.level == t).sum()) for t in range(len(self.temperatures))]
        )
        return RearrangementProbability(
            self.temperatures, self.edges, self.level[drawn], self.block_events[drawn], self.block_samples[drawn], self.block_scores[drawn]
        )

    def _binomial_error(self) -> np.ndarray:
        p = self.probability
        return np.sqrt(_ratio(p * (1 - p), self.samples))

    def _sums(self, of_blocks: np.ndarray) -> np.ndarray:
        out = np.zeros((len(self.temperatures), len(self.edges) - 1), of_blocks.dtype)
        np.add.at(out, self.level, of_blocks)
        return out


def rearrangement_probability(
    score: ArrayLike,
    rearranges: ArrayLike,
    bins: int | ArrayLike,
    *,
    temperature: float | ArrayLike,
    block: ArrayLike,
    replicas: int = 1,
) -> RearrangementProbability:
    """P(R | S): the share of the samples in each bin of the score that rearrange.

    Args:
        score: (rows,) float64, S of a particle in a frame, ``lead`` before its label; or any model's output. In any units.
        rearranges: (rows,) bool, or whole numbers up to ``replicas``: in how many runs it rearranged.
        bins: (bins + 1,) ascending edges, in the units of the score; or how many bins, which then hold equally many rows each.
        temperature: one number, or (rows,) [energy, k_B = 1].
        block: (rows,) int, configurations, or configurations times stretches of time: blocks of one temperature are
            independent of one another. At least two at each temperature for an error, some ten for a good one.
        replicas: R, runs that each row counts.

    Raises:
        InvalidInput: unequal lengths, NaN, temperatures not above 0, edges that do not rise.

    Source: TH section 1.6.2 and equation 1.5; project notes, section 4.

    Example:
        >>> traps = gg.landscape.trap_ensemble(gg.landscape.TrapModel(), 0.6, configurations=10, particles=2000, replicas=10, seed=1)
        >>> found = gg.landscape.rearrangement_probability(
        ...     traps.score, traps.count, np.linspace(-2, 2, 5), temperature=0.6, block=traps.configuration, replicas=10
        ... )
        >>> found.probability.shape, bool((np.diff(found.probability) > 0).all())  # the softer, the more
        ((1, 4), True)
    """
    s = validate.array("score", score, np.float64, (None,))
    of = validate.whole("replicas", replicas, least=1)
    k = validate.array("rearranges", rearranges, np.int64, s.shape)
    t = validate.array("temperature", temperature, np.float64, s.shape if np.ndim(temperature) else ())
    t = np.broadcast_to(t, s.shape)
    b = validate.array("block", block, np.int64, s.shape)
    if len(s) == 0 or not (t > 0).all():
        raise InvalidInput("temperature must be above 0, and there must be rows")
    if ((k < 0) | (k > of)).any():
        raise InvalidInput(f"rearranges holds values that do not lie between 0 and replicas={of}")
    edges = _edges(s, bins)
    which = np.where(s == edges[-1], len(edges) - 2, np.searchsorted(edges, s, side="right") - 1)
    inside = (which >= 0) & (which < len(edges) - 1)
    temperatures, level = np.unique(t, return_inverse=True)
    names, row_name = np.unique(b, return_inverse=True)
    pairs, row_block = np.unique(level * len(names) + row_name, return_inverse=True)
    cell = (row_block * (len(edges) - 1) + which)[inside]
    shape = (len(pairs), len(edges) - 1)

    def summed(weights: np.ndarray) -> np.ndarray:
        return np.bincount(cell, weights[inside], shape[0] * shape[1]).reshape(shape)

    return RearrangementProbability(
        temperatures,
        edges,
        pairs // len(names),
        summed(k).astype(np.int64),  # sums of whole numbers below 2^53 are exact
        summed(np.full(len(s), float(of))).astype(np.int64),
        summed(of * s),
        int((~inside).sum()),
    )


def joined(parts: Sequence[RearrangementProbability]) -> RearrangementProbability:
    """One from several of equal edges, such as one of each temperature, or of each configuration; their blocks are all different.

    Raises:
        InvalidInput: no parts, or different edges.
    """
    if not parts or any(not np.array_equal(p.edges, parts[0].edges) for p in parts):
        raise InvalidInput("parts must be one or more with the same edges; give bins as edges, not as a number")
    temperatures = np.unique(np.concatenate([p.temperatures for p in parts]))
    return RearrangementProbability(
        temperatures,
        parts[0].edges,
        np.concatenate([np.searchsorted(temperatures, p.temperatures)[p.level] for p in parts]),
        np.concatenate([p.block_events for p in parts]),
        np.concatenate([p.block_samples for p in parts]),
        np.concatenate([p.block_scores for p in parts]),
        sum(p.outside for p in parts),
    )


def _edges(score: np.ndarray, bins: int | ArrayLike) -> np.ndarray:
    if np.ndim(bins) == 0:
        edges = np.quantile(score, np.linspace(0, 1, validate.whole("bins", bins, least=1) + 1))
    else:
        edges = validate.array("bins", bins, np.float64, (None,))
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise InvalidInput("the edges of bins must rise and be at least two; the score may have too few different values for so many bins")
    return edges


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, NaN where b = 0."""
    return np.divide(a, b, out=np.full(np.broadcast_shapes(np.shape(a), np.shape(b)), np.nan), where=np.asarray(b) > 0)
