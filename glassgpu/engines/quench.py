"""Quenches to the nearest minimum of the potential energy, many configurations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.engines import checkpoint as checkpoints
from glassgpu.engines.hoomd import Hoomd, place_of
from glassgpu.engines.hoomd_runs import HoomdQuench
from glassgpu.engines.parts import Elsewhere
from glassgpu.engines.quench_run import QuenchRun
from glassgpu.errors import InvalidInput
from glassgpu.executors import Executor
from glassgpu.progress import Progress
from glassgpu.systems.system import System, as_system
from glassgpu.types import Snapshot, as_snapshots

METHODS = ("lbfgs", "steepest")
SINGLE_TOLERANCE = 1e-3  # forces in single precision are right to some 1e-4


@dataclass(frozen=True, eq=False, repr=False)
class Quench:
    """What ``quench`` returns. A sequence of snapshots adds a leading configuration axis.

    Attributes:
        final: the minimum (the inherent structure), a Snapshot, or a list of them.
        potential: () float64, its total potential energy [energy].
        largest_force: () float64, the largest force on a particle left [energy / length].
        steps: () int64, accepted steps.
        energies: after each accepted step, (steps,) float64, or a list of these; None unless asked for.
    """

    final: Snapshot | list[Snapshot]
    potential: np.ndarray
    largest_force: np.ndarray
    steps: np.ndarray
    energies: Any = None

    def __repr__(self) -> str:
        count = np.size(self.steps)
        return f"Quench(configurations={count}, largest_force={np.max(self.largest_force):.2g}, steps={np.max(self.steps)})"


def quench(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    force_tolerance: float = 1e-8,
    method: str = "lbfgs",
    precision: str = "double",
    most_steps: int = 100_000,
    keep_energies: bool = False,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
    executor: Executor | None = None,
) -> Quench:
    """A near minimum of the potential energy by L-BFGS.

    The energy never rises by more than its rounding: a step that would raise it is taken back (kernels/run_quench.cu).
    ``backend="hoomd"`` descends by FIRE (Bitzek et al., PRL 97, 170201 (2006)) with particles of mass 1, which from a warm liquid
    ends in another minimum nearby than L-BFGS or steepest descent do; its steps are counted in hundreds.

    Args:
        system: pair laws.
        snapshot: start, or a sequence of starts of one System, quenched side by side.
        force_tolerance: every particle's force ends below it [energy / length].
        method: ``"lbfgs"``, the fastest: a minimum nearby; or ``"steepest"``: the minimum that the way of steepest
            descent leads to, which defines inherent structures, in three to four times as many evaluations.
        precision: ``"double"``; or ``"single"``, for tolerances from 1e-3 on and not with ``"steepest"``: two thirds of the
            time on a CPU. One particle in a hundred ends further than 0.05 from where double precision takes it, as after
            any small change of the way down.
        most_steps: after so many a configuration counts as not converged.
        keep_energies: keep the energy after every accepted step.
        checkpoint: file to save to and to continue from; of a finished quench it holds the result.
        progress: a bar (True), nothing (False), or a function told the fraction done.
        backend, threads: as for ``simulate.md``; ``method`` and ``keep_energies`` are not for ``"hoomd"``.
        batch, chunk, executor: how the work is cut and who does it; no result depends on them, bit for bit.

    Raises:
        InvalidInput, BoxTooSmall, UnknownSpecies, ParticlesOverlap, DeviceMissing, CompilerMissing: before anything is run.
        CheckpointMismatch, FileFormatError, OutputNotWritable: of the checkpoint, likewise.
        NotConverged, SimulationFailed, Interrupted: with the checkpoint kept.

    Source: Liu and Nocedal, Math. Programming 45, 503 (1989).

    Example:
        >>> system = gg.systems.kob_andersen(n=400, cutoff="per_pair")
        >>> liquid = gg.equilibrate(system, temperature=1.0, duration=1, seed=1, accept=None, progress=False)
        >>> quenched = gg.simulate.quench(system, liquid, progress=False)
        >>> forces = gg.energy(system, quenched.final).forces
        >>> bool(np.linalg.norm(forces, axis=1).max() < 1e-8)
        True
    """
    validate.number("force_tolerance", force_tolerance, above=0)
    validate.whole("most_steps", most_steps, least=1)
    validate.choice("method", method, METHODS)
    if validate.choice("precision", precision, ("double", "single")) == "single":
        if method != "lbfgs":
            raise InvalidInput(f"method={method!r} needs precision='double'")
        if force_tolerance < SINGLE_TOLERANCE:
            raise InvalidInput(
                f"force_tolerance={force_tolerance:g} is below the rounding of forces in single precision; give {SINGLE_TOLERANCE:g} "
                "or more, or precision='double'"
            )
    system = as_system(system)
    snapshots, many = as_snapshots(snapshot)
    for name, value in (("batch", batch), ("chunk", chunk)):
        if value is not None:
            validate.whole(name, value, least=1)
    elsewhere = Elsewhere.of(executor, backend, threads)
    place = place_of("cpu" if elsewhere and backend != "hoomd" else backend, threads)
    if isinstance(place, Hoomd):
        if method != "lbfgs" or keep_energies:
            raise InvalidInput("backend='hoomd' quenches by FIRE: leave method= and keep_energies= out, or use another backend")
        place.require_precision(precision)
    engine: type[QuenchRun] = HoomdQuench if isinstance(place, Hoomd) else QuenchRun
    run = engine(
        system, snapshots, place, force_tolerance, most_steps, keep_energies, method, precision,
        batch=batch, chunk=chunk, checkpoint=checkpoints.checkpoint_path(checkpoint), progress=progress, elsewhere=elsewhere,
    )  # fmt: skip
    run.run()
    final = [Snapshot(run.places.pop(), s.types, s.box) for s in reversed(snapshots)][::-1]  # thousands are never held twice
    out = Quench(final, run.potential, run.largest_force, run.steps, run.energies if keep_energies else None)
    if many:
        return out
    return Quench(final[0], out.potential[0], out.largest_force[0], out.steps[0], run.energies[0] if keep_energies else None)
