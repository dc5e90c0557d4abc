"""A run cut into parts that workers do: blocks of replicas of some configurations, put together to the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu.engines.checkpoint import continued_from
from glassgpu.engines.hoomd import hoomd_place, place_of
from glassgpu.errors import CheckpointMismatch, Interrupted, InvalidInput, warn_user
from glassgpu.executors import PARTS, Executor, blocks, chosen, spread, threads_of_a_task, workers_of
from glassgpu.launch import Cpu, Cuda, threads_available
from glassgpu.progress import bar

if TYPE_CHECKING:
    from glassgpu.engines.quench_run import QuenchRun
    from glassgpu.engines.runs import Run


@dataclass(frozen=True)
class Elsewhere:
    """Who does the parts, and by what they run them.

    Attributes:
        executor: that tasks are given to; None: this process, one after another.
        backend, threads: as for ``simulate.md``; a worker finds out for itself what ``"auto"`` means there.
    """

    executor: Executor | None
    backend: str
    threads: int | None = None

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


def in_parts(run: Run | QuenchRun, begun: bool, done: bool) -> Elsewhere | None:
    """Who does a run in parts: whom the call names, or this process where parts have been done before; None if it was begun whole, or is
    done.

    Raises:
        CheckpointMismatch: it was begun whole, on another backend than is asked for now.
    """
    path = run.checkpoint
    if done and path:
        remove_parts(path)  # of a process that was killed before it did
    if done:
        return None
    if begun:
        if run.elsewhere and run.elsewhere.backend not in ("auto", run.target.name):
            raise _begun_whole(run, run.target.name)
        return None
    before = path is not None and folder_of_parts(path).exists()
    threads = getattr(run.target, "threads", None) if run.target.name == "cpu" else None
    return run.elsewhere or (Elsewhere(None, run.target.name, threads) if before else None)


def resumed(run: Run | QuenchRun, kind: dict[str, Any], done: bool) -> None:
    """Note on what kind of machine what a checkpoint holds was run, unless it is done to be gone on with here.

    Raises:
        CheckpointMismatch: on another kind.
    """
    if not done and run.elsewhere and kind["name"] != run.target.name:
        raise _begun_whole(run, kind["name"])
    if not done:
        note_where(run, kind, f"what {run.checkpoint} holds")
    run.ran_on = SimpleNamespace(**kind)


def _begun_whole(run: Run | QuenchRun, backend: str) -> CheckpointMismatch:
    return CheckpointMismatch(
        f"{run.checkpoint} was begun in this process, by {backend!r}: leave executor= out, or remove it to start anew"
    )


def run_parts(run: Run, elsewhere: Elsewhere, batch: int | None) -> None:
    """Let workers do a run that has not begun; it then holds what they found. ``batch``: rows of a part."""
    plan, store = run.plan, run.hops.writer
    parts = rows_of_parts(len(run.snapshots), plan.replicas, batch)

    def task(first: int, last: int) -> tuple:
        mine = _configurations(first, last, plan.replicas)
        how = {"chunk": run.chunk, "checkpoint": _kept(run.checkpoint, first, last), "progress": False, "part": (first, last)}
        given = (run.problem.system, run.snapshots[mine], _plan_of(plan, mine))
        return type(run), given, how, elsewhere.backend, elsewhere.threads, store and store.description

    for (first, last), (rebuilds, found) in _collected(_run_part, task, parts, elsewhere, run, "runs"):
        run.rebuilds += rebuilds
        _take(run, found, slice(first, last), _configurations(first, last, plan.replicas))


def _take(run: Run, found: dict[str, np.ndarray], rows: slice, configurations: slice) -> None:
    """Add the results of a part: some rows of some configurations."""
    for name, values in run.results().items():
        if name in run.records.SUMS or name in run.hops.arrays():
            values[configurations] += found[name]
        else:
            values[rows] = found[name]


def quench_parts(run: QuenchRun, elsewhere: Elsewhere, batch: int | None) -> None:
    """The same of quenches, of which each configuration is one."""
    found: dict[int, dict[str, list]] = {}

    def task(first: int, last: int) -> tuple:
        how = {"chunk": run.chunk, "checkpoint": _kept(run.checkpoint, first, last), "progress": False, "before": first}
        given = (
            run.system, run.snapshots[first:last], run.tolerance, run.most_steps, run.keep_energies, run.method, run.precision,
        )  # fmt: skip
        return type(run), given, how, elsewhere.backend, elsewhere.threads

    for (first, _), results in _collected(_quench_part, task, blocks(len(run.snapshots), batch), elsewhere, run, "quenches"):
        found[first] = results
    for name in run.RESULTS:
        setattr(run, name, [value for first in sorted(found) for value in found[first][name]])


def _collected(
    function: Callable,
    task: Callable[[int, int], tuple],
    parts: list[tuple[int, int]],
    elsewhere: Elsewhere,
    run: Run | QuenchRun,
    unit: str,
) -> Iterator[tuple[tuple[int, int], Any]]:
    """Each part and what a worker made of it, as they come, with a bar; ``function`` returns where it ran beside it."""
    done, total = 0, parts[-1][1]
    try:
        with bar(total, unit, run.progress) as advance:
            for k, (kind, found) in spread(function, (task(*part) for part in parts), elsewhere.executor):
                if done:
                    note_where(run, kind, f"part {parts[k][0]} to {parts[k][1]}")
                run.ran_on = SimpleNamespace(**kind)
                yield parts[k], found
                done += parts[k][1] - parts[k][0]
                advance(parts[k][1] - parts[k][0])
    except KeyboardInterrupt:
        path = run.checkpoint and folder_of_parts(run.checkpoint)
        raise Interrupted(f"stopped after {done} of {total} {unit}; {continued_from(path)}") from None


def _kept(checkpoint: Path | None, first: int, last: int) -> Path | None:
    """The checkpoint of a part."""
    return folder_of_parts(checkpoint) / f"{first}-{last}.npz" if checkpoint else None


def note_where(run: Run | QuenchRun, kind: dict[str, Any], what: str) -> None:
    """Note on what kind of machine (``launch.Cpu.kind``) a run was, or a part of it, for provenance.

    Raises:
        CheckpointMismatch: another kind than before.
    """
    before = run.ran_on
    if (kind["name"], kind["about"]) != (before.name, dict(before.about)):
        raise CheckpointMismatch(
            f"{what} was run by {kind['name']!r} and the rest by {before.name!r} ({kind['about']}, {dict(before.about)}), whose numbers differ; name "
            "one of them by backend=, or remove the checkpoint to start anew"
        )
    if kind["processor"] != before.processor:
        warn_user(f"{what} was run on another kind of processor, whose roundings differ: the numbers are as good, but another run's")


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
    engine: type[Run], given: tuple, how: dict[str, Any], backend: str, threads: int | None, store: dict[str, Any] | None
) -> tuple[dict[str, Any], tuple[int, dict[str, np.ndarray]]]:
    """A task: where it ran; list builds and the results of the part."""
    system, snapshots, plan = given
    run = engine(system, snapshots, plan, _place(backend, threads), **how)
    if store:
        from glassgpu.io.frames import FrameWriter

        run.hops.writer = FrameWriter.of_part(store, run.before)
    run.run()
    return vars(run.ran_on), (run.rebuilds, run.results())


def _quench_part(
    engine: type[QuenchRun], given: tuple, how: dict[str, Any], backend: str, threads: int | None
) -> tuple[dict[str, Any], dict[str, list]]:
    """A task: where it ran, and what was found of each configuration, by name."""
    system, snapshots, *rest = given
    run = engine(system, snapshots, _place(backend, threads), *rest, **how)
    run.run()
    return vars(run.ran_on), {name: list(getattr(run, name)) for name in run.RESULTS}


def _place(backend: str, threads: int | None) -> Cpu | Cuda:
    return place_of(backend, threads or (None if backend == "hoomd" else threads_of_a_task()))
