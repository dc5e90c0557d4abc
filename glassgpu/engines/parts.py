"""A run cut into parts that workers do: blocks of replicas of some configurations, put together to the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu.engines.hoomd import hoomd_place, place_of
from glassgpu.errors import Interrupted, InvalidInput
from glassgpu.executors import Executor, chosen, spread, threads_of_a_task, workers_of
from glassgpu.launch import threads_available
from glassgpu.progress import bar
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

if TYPE_CHECKING:
    from glassgpu.engines.runs import Run

PARTS = 32  # of a run, about: decided by the run alone, so that any other number of workers finds them again


@dataclass(frozen=True)
class Elsewhere:
    """Who does the parts, and by what they run them.

    Attributes:
        executor: that tasks are given to.
        backend, threads: as for ``simulate.md``; a worker finds out for itself what ``"auto"`` means there.
    """

    executor: Executor
    backend: str
    threads: int | None

    @classmethod
    def of(cls, executor: Any, backend: str, threads: int | None) -> Elsewhere | None:
        """None for this process. Workers of this machine share its cores."""
        executor = chosen(executor)
        if executor is None:
            return None
        if backend == "hoomd" and hoomd_place().ranks > 1:
            raise InvalidInput("executor= spreads replicas over processes, mpirun one replica over ranks: use one of them")
        workers = workers_of(executor)
        if threads is None and workers and backend != "hoomd":
            threads = max(1, threads_available() // workers)
        return cls(executor, backend, threads)


def blocks(count: int, size: int | None) -> list[tuple[int, int]]:
    """First and last + 1 of consecutive blocks of nearly one size, at most ``size`` each; by default ``PARTS`` blocks."""
    number = -(-count // (size or -(-count // PARTS)))
    ends = [count * k // number for k in range(number + 1)]
    return list(pairwise(ends))


def rows_of_parts(configurations: int, replicas: int, size: int | None) -> list[tuple[int, int]]:
    """First and last + 1 of the rows of each part: replicas of one configuration, or several whole ones."""
    rows = configurations * replicas
    size = size or -(-rows // PARTS)
    if size >= replicas:
        return [(replicas * a, replicas * b) for a, b in blocks(configurations, size // replicas)]
    inside = blocks(replicas, size)
    return [(c * replicas + a, c * replicas + b) for c in range(configurations) for a, b in inside]


def folder_of_parts(checkpoint: Path) -> Path:
    """Where the parts of a run with this checkpoint keep their own."""
    return checkpoint.with_name(f"{checkpoint.name}.parts")


def run_parts(run: Run, elsewhere: Elsewhere, batch: int | None) -> None:
    """Let workers do a run that has not begun; it then holds what they found. ``batch``: rows of a part."""
    system, plan, store = run.problem.system, run.plan, run.hops.writer
    parts = rows_of_parts(len(run.snapshots), plan.replicas, batch)
    folder = folder_of_parts(run.checkpoint) if run.checkpoint else None

    def tasks() -> Iterator[tuple]:
        for first, last in parts:
            mine = _configurations(first, last, plan.replicas)
            path = folder / f"{first}-{last}.npz" if folder else None
            yield (
                type(run), system, run.snapshots[mine], _plan_of(plan, mine), (first, last), elsewhere.backend, elsewhere.threads,
                run.chunk, path, store and store.description,
            )  # fmt: skip

    done = 0
    try:
        with bar(run.rows, "runs", run.progress) as advance:
            for k, (place, rebuilds, found) in spread(_run_part, tasks(), elsewhere.executor):
                first, last = parts[k]
                if done and place != run.ran_on.__dict__:
                    raise InvalidInput(
                        f"workers ran on {run.ran_on.name!r} and on {place['name']!r}, whose numbers differ; name one of them by backend="
                    )
                run.ran_on = SimpleNamespace(**place)
                run.rebuilds += rebuilds
                run.take(found, slice(first, last), _configurations(first, last, plan.replicas))
                done += last - first
                advance(last - first)
    except KeyboardInterrupt:
        kept = f"the same call continues from {folder}" if folder else "pass checkpoint=PATH to be able to continue"
        raise Interrupted(f"stopped after {done} of {run.rows} runs; {kept}") from None


def remove_parts(checkpoint: Path) -> None:
    """What the parts of a finished run have kept."""
    shutil.rmtree(folder_of_parts(checkpoint), ignore_errors=True)


def _configurations(first: int, last: int, replicas: int) -> slice:
    return slice(first // replicas, (last - 1) // replicas + 1)


def _plan_of(plan: Any, mine: slice) -> Any:
    """The plan for some of the configurations."""
    if plan.score is None or len(plan.score.group) == 1:
        return plan
    return replace(plan, score=plan.score.of_configurations(mine))


def _run_part(
    engine: type[Run],
    system: System,
    snapshots: Sequence[Snapshot],
    plan: Any,
    part: tuple[int, int],
    backend: str,
    threads: int | None,
    chunk: int | None,
    checkpoint: Path | None,
    store: dict[str, Any] | None,
) -> tuple[dict[str, Any], int, dict[str, np.ndarray]]:
    """A task: where it ran, list builds, and the results of the part."""
    place = place_of(backend, threads or (None if backend == "hoomd" else threads_of_a_task()))
    run = engine(system, snapshots, plan, place, chunk=chunk, checkpoint=checkpoint, progress=False, part=part)
    if store:
        from glassgpu.io.frames import FrameWriter

        run.hops.writer = FrameWriter.of_part(store, run.before)
    run.run()
    return {"name": place.name, "about": dict(place.about)}, run.rebuilds, run.results()
