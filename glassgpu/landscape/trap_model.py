"""A liquid whose barriers are known: traps that columns describe in part, and what our own pipeline finds of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassgpu import validate
from glassgpu.errors import InvalidInput
from glassgpu.landscape.barriers import Barriers
from glassgpu.landscape.onset import Onset, onset_temperature
from glassgpu.landscape.probability import joined, rearrangement_probability

PENALTY = 0.01  # C of the hyperplane (TH section 2.2.3)


@dataclass(frozen=True)
class TrapModel:
    """Delta E = e0 - e1 S + noise, Sigma = s0 - (e1 / T0) S, with S = w.F of variance 1, of a few of many columns.

    The defaults have the barriers, the onset and the rates of a Kob-Andersen liquid, roughly.

    Attributes:
        columns: how many, standard normal. informative: how many have a weight, evenly among the others.
        correlation: of neighbouring columns; of columns k apart its k-th power.
        e0, e1: [energy]. s0: of Sigma. onset: T0 [energy], where P does not depend on S.
        noise: standard deviation of the part of the barrier that no column explains [energy].

    Raises:
        InvalidInput: a number out of range.

    Source: TH section 2.4, its Kramers form.
    """

    columns: int = 30
    informative: int = 6
    correlation: float = 0.5
    e0: float = 7.0
    e1: float = 1.0
    s0: float = 7.4
    onset: float = 0.9
    noise: float = 0.0

    def __post_init__(self) -> None:
        validate.whole("columns", self.columns, least=1)
        validate.whole("informative", self.informative, least=1, most=self.columns)
        validate.number("correlation", self.correlation, above=-1, most=1 - 1e-6)
        for name in ("e0", "e1", "s0"):
            validate.number(name, getattr(self, name))
        validate.number("onset", self.onset, above=0)
        validate.number("noise", self.noise, least=0)

    @property
    def s1(self) -> float:
        """Sigma = s0 - s1 S."""
        return self.e1 / self.onset

    @property
    def covariance(self) -> np.ndarray:
        """(columns, columns) float64, of the columns [1]."""
        apart = np.abs(np.subtract.outer(np.arange(self.columns), np.arange(self.columns)))
        return np.power(self.correlation, apart)

    @property
    def weights(self) -> np.ndarray:
        """w, (columns,) float64 [1]: of falling size and changing sign, such that Var(w.F) = 1."""
        w = np.zeros(self.columns)
        chosen = np.arange(self.informative) * self.columns // self.informative
        w[chosen] = (-1.0) ** np.arange(self.informative) / (1 + np.arange(self.informative))
        return w / np.sqrt(w @ self.covariance @ w)


@dataclass(frozen=True, eq=False)
class TrapEnsemble:
    """Particles in traps, at one temperature.

    Attributes:
        temperature: T [energy].
        replicas: windows of each particle.
        x: (rows, columns) float64, F [1].
        score: (rows,) float64, S = w.F [1].
        barrier: (rows,) float64, Delta E with its noise [energy].
        entropy: (rows,) float64, Sigma [1].
        probability: (rows,) float64, P of an event in one window of time [1].
        clipped: rows where it would exceed 1 and was set to 1.
        count: (rows,) int64, in how many of ``replicas`` windows there was one.
        configuration: (rows,) int64, which one each row belongs to.
    """

    temperature: float
    replicas: int
    x: np.ndarray
    score: np.ndarray
    barrier: np.ndarray
    entropy: np.ndarray
    probability: np.ndarray
    clipped: int
    count: np.ndarray
    configuration: np.ndarray


def trap_ensemble(
    model: TrapModel, temperature: float, *, configurations: int, particles: int, replicas: int = 1, seed: int = 0
) -> TrapEnsemble:
    """Particles drawn independently, each with P = (1/T) exp(Sigma - Delta E / T), at most 1, of an event in each window.

    Args:
        model: the traps.
        temperature: T [energy].
        configurations, particles: how many, and how many in each.
        replicas: windows of each particle, independent: 1 is a trajectory looked at once, R runs an isoconfigurational
            ensemble. The noise of the barrier belongs to the particle and is the same in all of them.
        seed: equal seeds give equal ensembles.

    Raises:
        InvalidInput: a number out of range.

    Source: TH section 2.4, its Kramers form.
    """
    t = validate.number("temperature", temperature, above=0)
    of = validate.whole("configurations", configurations, least=1)
    n = of * validate.whole("particles", particles, least=1)
    r = validate.whole("replicas", replicas, least=1)
    random = np.random.default_rng(validate.whole("seed", seed, least=0))
    x = random.normal(size=(n, model.columns)) @ np.linalg.cholesky(model.covariance).T
    score = x @ model.weights
    barrier = model.e0 - model.e1 * score + model.noise * random.normal(size=n)
    entropy = model.s0 - model.s1 * score
    p = np.exp(entropy - barrier / t) / t
    clipped = int((p > 1).sum())
    p = np.minimum(p, 1.0)
    return TrapEnsemble(t, r, x, score, barrier, entropy, p, clipped, random.binomial(r, p), np.repeat(np.arange(of), n // of))


@dataclass(frozen=True, eq=False)
class Recovery:
    """What the pipeline finds of a trap model.

    Attributes:
        model: the truth.
        weights: (columns,) float64, normal of the hyperplane, so long that the score at the training temperature has variance 1 [1].
        correlation: Pearson coefficient of the score found with the true one, at the training temperature.
        barriers, onset: against the score x = w.F / sigma_train.
        inferred_variance: of the barriers that the score gives to the particles; true_variance: of those they have. Both at
            the training temperature [energy^2].
    """

    model: TrapModel
    weights: np.ndarray
    correlation: float
    barriers: Barriers
    onset: Onset
    inferred_variance: float
    true_variance: float

    @property
    def share(self) -> float:
        """Variance of the barriers inferred over the true one; at best e1^2 / (e1^2 + noise^2)."""
        return self.inferred_variance / self.true_variance


def recover(
    model: TrapModel,
    temperatures: Sequence[float] = (0.5, 0.55, 0.6, 0.65, 0.7),
    *,
    configurations: int = 20,
    particles: int = 5000,
    replicas: int = 10,
    examples: int = 3000,
    quiet: int = 400,
    edges: Sequence[float] = tuple(np.linspace(-2.5, 2.5, 11)),
    resamples: int = 100,
    seed: int = 0,
) -> Recovery:
    """The way of the thesis on a known answer: hyperplane, P(R | S), barriers, onset.

    The hyperplane is learned at the lowest temperature from particles with an event in one of a few windows and others
    that stay quiet for many; mean and deviation of these examples standardise the columns ever after. P(R | S) comes
    from particles never seen in training.

    Args:
        model: the truth.
        temperatures: (temperatures,) at least two different [energy].
        configurations, particles, replicas: of each ensemble, see ``trap_ensemble``.
        examples: of each class, or as many as there are of the rarer.
        quiet: windows without an event that make a particle an example of the other class.
        edges: (bins + 1,) ascending, of the bins of x = w.F / sigma_train [1].
        resamples: of the bootstrap of the onset.
        seed: equal seeds give equal results.

    Raises:
        InvalidInput: a number out of range, fewer than two examples of a class.

    Source: TH sections 2.2.3 and 2.4; the question is that of TH's reference 92, whether barriers inferred from labels
    with noise vary as much as the true ones.
    """
    from sklearn.svm import LinearSVC

    levels = sorted(validate.number("temperatures", t, above=0) for t in temperatures)
    seeds = np.random.SeedSequence(validate.whole("seed", seed, least=0)).generate_state(len(levels) + 2)
    size = {"configurations": configurations, "particles": particles, "replicas": replicas}
    known = trap_ensemble(model, levels[0], **size, seed=int(seeds[-1]))
    random = np.random.default_rng(seeds[-2])
    event = known.count > 0
    still = ~event & (random.binomial(validate.whole("quiet", quiet, least=1), known.probability) == 0)
    each = min(validate.whole("examples", examples, least=2), int(event.sum()), int(still.sum()))
    if each < 2:
        raise InvalidInput(f"{event.sum()} particles with an event and {still.sum()} quiet ones: too few to learn from")
    rows = np.concatenate([random.choice(np.flatnonzero(of), each, replace=False) for of in (event, still)])
    mean, deviation = known.x[rows].mean(axis=0), known.x[rows].std(axis=0)
    fit = LinearSVC(C=PENALTY, dual=False).fit((known.x[rows] - mean) / deviation, event[rows])
    normal = fit.coef_[0] / deviation
    output = known.x @ normal
    weights = normal / output.std()

    parts = []
    for t, own in zip(levels, seeds, strict=False):
        test = trap_ensemble(model, t, **size, seed=int(own))
        parts.append(
            rearrangement_probability(test.x @ weights, test.count, edges, temperature=t, block=test.configuration, replicas=replicas)
        )
    onset = onset_temperature(joined(parts), resamples=resamples, seed=seed)
    return Recovery(
        model,
        weights,
        float(np.corrcoef(output, known.score)[0, 1]),
        onset.barriers,
        onset,
        onset.barriers.linear.e1**2,
        float(known.barrier.var()),
    )
