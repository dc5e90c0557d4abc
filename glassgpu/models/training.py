"""One training loop for every network: Adam, many networks side by side, early stopping, checkpoints."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import __version__, validate
from glassgpu.compile import source_key
from glassgpu.engines import checkpoint as files
from glassgpu.errors import InvalidInput, NotConverged
from glassgpu.locks import alone
from glassgpu.memory import explained
from glassgpu.progress import Progress, bar, uninterrupted

SAVE_EVERY = 20.0  # seconds
SCORES = ("error", "pearson")


@dataclass(frozen=True, eq=False)
class Task:
    """What networks of one shape learn, and how they are asked. All but plain numbers in JAX arrays; an axis of networks stands before
    the last of every array that differs between them.

    Attributes:
        loss: (network, shared, own, target, rows, key) to the mean squared error of one network on some rows.
        outputs: (network, shared, own) to (rows, outputs).
        shared: what all networks read.
        own: settings of each network.
        target: (rows, networks, outputs).
        epoch: (networks, memory, rates, shared, own, target, order, key, seeds) to networks, memory and mean losses, if a kernel does it.
        accumulate: whether a batch is gone through row by row, its slopes added up: rows are whole configurations.
    """

    loss: Callable[..., Any]
    outputs: Callable[..., Any]
    shared: Any
    own: Any
    target: Any
    epoch: Callable[..., Any] | None = None
    accumulate: bool = False


@dataclass(frozen=True, eq=False)
class Watched:
    """Rows that nobody learns from: what is shared, the targets (rows, networks, outputs), NaN where there is none."""

    shared: Any
    target: Any


@dataclass(frozen=True)
class Plan:
    """How it is done.

    Attributes:
        epochs, batch: passes over the rows; rows of a step at most.
        patience: epochs without a better score after which a network is finished; all finished ends the training.
        seed: of the order of rows.
        select: which score chooses the epoch: the least ``"error"`` or the largest ``"pearson"`` coefficient of the validation rows.
    """

    epochs: int
    batch: int
    patience: int
    seed: int
    select: str


def plan_of(model: Any, validated: bool) -> Plan:
    """What an estimator was asked for, checked; ``validated``: whether it is given validation rows.

    Raises:
        InvalidInput
    """
    if model.patience is not None and not validated:
        raise InvalidInput(f"patience={model.patience} needs validation rows: give fit validation=, of other configurations")
    epochs = validate.whole("epochs", model.epochs, least=1)
    return Plan(
        epochs,
        validate.whole("batch", model.batch, least=1),
        epochs if model.patience is None else validate.whole("patience", model.patience, least=1),
        validate.whole("seed", model.seed, least=0, most=2**32 - 1),
        validate.choice("select", model.select, SCORES),
    )


def rates_of(model: Any) -> dict[str, float]:
    """``learning_rate``, ``weight_decay`` and ``alpha`` of an estimator, checked.

    Raises:
        InvalidInput
    """
    return {
        "learning_rate": validate.number("learning_rate", model.learning_rate, above=0),
        "weight_decay": validate.number("weight_decay", model.weight_decay, least=0),
        "alpha": validate.number("alpha", model.alpha, least=0),
    }


def to_watch(validation: Any, watch: Mapping[str, Any] | None) -> dict[str, Any]:
    """Rows that are looked at, by name.

    Raises:
        InvalidInput: further rows are called ``"validation"``.
    """
    if "validation" in (watch or {}):
        raise InvalidInput("watch: rows called 'validation' decide the epoch; give them as validation=, or another name")
    return {**({} if validation is None else {"validation": validation}), **(watch or {})}


@dataclass(frozen=True, eq=False)
class Trained:
    """What came out.

    Attributes:
        networks: those of the chosen epochs.
        losses: (epochs, networks) mean squared error of the batches, while they are learned.
        errors: by name of the watched rows, (epochs, networks) mean squared error after each epoch.
        pearsons: likewise, Pearson coefficient, pooled over rows and outputs.
        chosen: (networks,) epoch from 0.
        ran: (networks,) epochs until it was finished; what came later is in the curves and decided nothing.
        seconds: of all epochs, those before an interruption too.
    """

    networks: Any
    losses: np.ndarray
    errors: dict[str, np.ndarray]
    pearsons: dict[str, np.ndarray]
    chosen: np.ndarray
    ran: np.ndarray
    seconds: float

    def tell(self, model: Any, k: int) -> None:
        """Write the history of network k to its estimator."""
        ran = int(self.ran[k])
        model.loss_curve_, model.n_iter_, model.chosen_ = self.losses[:ran, k], ran, int(self.chosen[k])
        model.pearson_curves_ = {name: curve[:ran, k] for name, curve in self.pearsons.items()}
        model.seconds_ = self.seconds
        if "validation" in self.errors:
            model.validation_curve_ = self.errors["validation"][:ran, k]


class _Choice:
    """The best epoch of each network, until it has waited for a better one for too long."""

    def __init__(self, networks: int, patience: int):
        self.patience, self.ran = patience, 0
        self.epoch, self.last = np.zeros(networks, int), np.zeros(networks, int)
        self.score, self.learning = np.full(networks, -np.inf), np.ones(networks, bool)

    def better(self, score: np.ndarray | None) -> np.ndarray:
        """Which networks are better than ever after one more epoch; without a score all are."""
        score = np.arange(self.ran, self.ran + 1.0).repeat(len(self.epoch)) if score is None else np.nan_to_num(score, nan=-np.inf)
        better = self.learning & ((score > self.score) | (self.ran == 0))
        self.score[better], self.epoch[better] = score[better], self.ran
        self.ran += 1
        self.last[self.learning] = self.ran
        self.learning &= self.ran - 1 - self.epoch < self.patience
        return better


def train(
    task: Task, networks: Any, rates: Mapping[str, np.ndarray], seeds: Sequence[int], plan: Plan, watched: Mapping[str, Watched],
    *, progress: Progress = False, checkpoint: str | Path | None = None, inputs: Mapping[str, Any] | None = None,
) -> Trained:  # fmt: skip
    """Train networks side by side, each as if it were alone but for the order of rows, which they share.

    Args:
        task, networks: as stored side by side.
        rates: ``learning_rate``, ``weight_decay`` (AdamW's) and ``alpha`` (added to the slope, alpha w), each (networks,).
        seeds: of each network, of what is thrown away or turned while it learns.
        plan: common to all.
        watched: rows looked at after every epoch; those called ``"validation"`` choose the epoch, the last one otherwise.
        progress: True, False, or a function that is told the fraction done.
        checkpoint: file to continue from and to save to.
        inputs: what else fixes the numbers, by name, for the checkpoint.

    Raises:
        NotConverged: an error ceased to be a number.
        OutOfMemory: for one batch; what was learned so far is kept in ``checkpoint``.
        CheckpointMismatch: ``checkpoint`` belongs to another training.
        OutputBusy: another process writes to ``checkpoint``.
    """
    import jax
    import jax.numpy as jnp

    begin, plain, judge, keep = _compiled(task.loss, task.outputs, task.accumulate)
    epoch = task.epoch or plain
    column = {name: jnp.asarray(value, jnp.float32)[:, None] for name, value in rates.items()}
    many = len(seeds)
    own_seeds = jnp.asarray(seeds, jnp.uint32)
    state = {"networks": networks, "memory": begin(networks), "best": networks}
    losses: list[np.ndarray] = []
    scores: dict[str, list[np.ndarray]] = {f"{kind} {name}": [] for name in watched for kind in SCORES}
    choice, seconds = _Choice(many, plan.patience), 0.0
    path = files.checkpoint_path(checkpoint)
    key = files.fingerprint(code=(__version__, source_key()), plan=plan, seeds=tuple(seeds), **rates, **(inputs or {})) if path else ""

    def chosen_by() -> np.ndarray | None:
        """What the last epoch is worth."""
        if "validation" not in watched:
            return None
        return scores["pearson validation"][choice.ran] if plan.select == "pearson" else -scores["error validation"][choice.ran]

    if path and (saved := files.load(files.writable(path), key)):
        leaves, shape = jax.tree.flatten(state)
        state = jax.tree.unflatten(shape, [jnp.asarray(saved[f"leaf {k}"]) for k in range(len(leaves))])
        losses, seconds = list(saved["losses"]), float(saved["seconds"])
        scores = {name: list(saved[name]) for name in scores}
        for _ in losses:
            choice.better(chosen_by())

    def save() -> None:
        assert path is not None
        kept = {f"leaf {k}": np.asarray(a) for k, a in enumerate(jax.tree.leaves(state))}
        curves = {name: np.array(rows).reshape(-1, many) for name, rows in {"losses": losses, **scores}.items()}
        files.save(path, key, {**kept, **curves, "seconds": np.array(seconds)})

    def check(errors: np.ndarray, of: str) -> None:
        bad = np.flatnonzero(~np.isfinite(errors) & choice.learning)
        if len(bad):
            raise NotConverged(
                f"the error {of} is {errors[bad[0]]} in epoch {len(losses) + 1} of {plan.epochs}: standardise columns and targets, or lower "
                f"learning_rate={rates['learning_rate'][bad[0]]:g}"
            )

    written = time.monotonic()
    with alone(path), bar(plan.epochs, "epoch", progress, done=len(losses)) as advance:
        try:
            while len(losses) < plan.epochs and choice.learning.any():
                k, begun = len(losses), time.monotonic()
                order = _order(len(task.target), plan.batch, np.random.default_rng([plan.seed, k]), task.accumulate)
                given = (column, task.shared, task.own, task.target, order, jax.random.fold_in(jax.random.key(0), k), own_seeds)
                with explained(
                    f"memory does not suffice to train {many} networks side by side: take fewer, narrower ones or batch= smaller"
                ):
                    new, memory, loss = epoch(state["networks"], state["memory"], *given)
                    loss = np.asarray(loss)
                check(loss, "of the batches")
                judged = {name: [np.asarray(a) for a in judge(new, rows.shared, task.own, rows.target)] for name, rows in watched.items()}
                for name, (error, _) in judged.items():
                    check(error, f"of {name}")
                with uninterrupted():
                    for name, values in judged.items():
                        for kind, value in zip(SCORES, values, strict=True):
                            scores[f"{kind} {name}"].append(value)
                    losses.append(loss)
                    state = {"networks": new, "memory": memory, "best": keep(jnp.asarray(choice.better(chosen_by())), new, state["best"])}
                    seconds += time.monotonic() - begun
                advance(1)
                if path and time.monotonic() - written > SAVE_EVERY:
                    save()
                    written = time.monotonic()
        finally:
            if path and losses:
                save()
    curves = {name: np.array(rows) for name, rows in scores.items()}
    errors, pearsons = ({name: curves[f"{kind} {name}"] for name in watched} for kind in SCORES)
    return Trained(state["best"], np.array(losses), errors, pearsons, choice.epoch, choice.last, seconds)


def _order(rows: int, batch: int, random: np.random.Generator, accumulate: bool) -> np.ndarray:
    """Rows in a new order, (steps, parts, rows of a part), at most ``batch`` in a step; some of the first come again to fill the last."""
    steps = -(-rows // batch)
    size = -(-rows // steps)
    order = random.permutation(rows)
    order = np.concatenate([order, order[: steps * size - rows]]).astype(np.int32)
    return order.reshape((steps, size, 1) if accumulate else (steps, 1, size))


@functools.cache
def _compiled(loss: Callable[..., Any], outputs: Callable[..., Any], accumulate: bool) -> tuple[Callable[..., Any], ...]:
    """The memory of the optimiser; an epoch; the scores of watched rows; which of two sets of networks to keep."""
    import jax
    import jax.numpy as jnp
    import optax

    from glassgpu.models.networks import NETWORKS

    adam = optax.scale_by_adam()

    def is_weight(a: Any) -> bool:
        return a.ndim == 3

    def losses_of(networks, shared, own, target, rows, key, seeds):
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, seeds)
        each = jax.vmap(loss, in_axes=(NETWORKS, None, NETWORKS, NETWORKS, None, 0))(networks, shared, own, target, rows, keys)
        return each.sum(), each

    slopes_of = jax.value_and_grad(losses_of, has_aux=True)

    def epoch(networks, memory, rates, shared, own, target, order, key, seeds):
        def part(state, given):
            (_, each), slopes = slopes_of(state[0], shared, own, target, *given, seeds)
            return (state[0], jax.tree.map(jnp.add, state[1], (slopes, each))), None

        def step(state, given):
            networks, memory = state
            rows, key = given
            if accumulate:
                begin = (jax.tree.map(jnp.zeros_like, networks), jnp.zeros(len(rates["alpha"]), jnp.float32))
                (_, summed), _ = jax.lax.scan(part, (networks, begin), (rows, jax.random.split(key, len(rows))))
                slopes, each = jax.tree.map(lambda a: a / len(rows), summed)
            else:
                (_, each), slopes = slopes_of(networks, shared, own, target, rows[0], key, seeds)
            slopes = jax.tree.map(lambda g, w: g + rates["alpha"] * w if is_weight(w) else g, slopes, networks)
            change, memory = adam.update(slopes, memory)
            rate, decay = rates["learning_rate"], rates["weight_decay"]
            networks = jax.tree.map(lambda w, c: w - rate * (c + decay * w if is_weight(w) else c), networks, change)
            return (networks, memory), each

        (networks, memory), losses = jax.lax.scan(step, (networks, memory), (order, jax.random.split(key, len(order))))
        return networks, memory, losses.mean(axis=0)

    def judge(networks, shared, own, target):
        found = jax.vmap(outputs, in_axes=(NETWORKS, None, NETWORKS), out_axes=NETWORKS)(networks, shared, own)
        there = jnp.isfinite(target)
        axes = (*range(target.ndim - 2), target.ndim - 1)
        number = there.sum(axis=axes)

        def mean(a):
            return jnp.where(there, a, 0).sum(axis=axes) / number

        wanted = jnp.where(there, target, 0)
        x, y = found - mean(found)[:, None], wanted - mean(wanted)[:, None]
        return mean((found - wanted) ** 2), mean(x * y) / jnp.sqrt(mean(x * x) * mean(y * y))

    def keep(better, new, old):
        return jax.tree.map(lambda a, b: jnp.where(better[:, None], a, b), new, old)

    return jax.jit(adam.init), jax.jit(epoch), jax.jit(judge), jax.jit(keep)
