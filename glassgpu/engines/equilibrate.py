"""Equilibrated configurations from random ones or from given ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.progress import Progress
from glassgpu.simulate import DT, md
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

# A random start holds far more potential energy than the liquid. Rounds of short runs, each
# with fresh velocities, carry it away before the time step of the liquid can be used.
MELT_ROUNDS, MELT_STEPS, MELT_DT = 20, 50, 0.001


def equilibrate(
    system: System,
    temperature: float,
    duration: float,
    seed: int,
    *,
    configurations: int = 1,
    start: Snapshot | Sequence[Snapshot] | None = None,
    dt: float = DT,
    precision: str = "single",
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
) -> Snapshot | list[Snapshot]:
    """Run at constant temperature (Nose-Hoover chain) and return where it ends.

    Whether ``duration`` suffices is the caller's judgement: a few tau_alpha at the temperature
    asked for (about 13 at T = 0.60 and 100 at 0.50 for Kob-Andersen).

    Args:
        system: what to equilibrate.
        temperature: of the bath.
        duration: length of the run [time].
        seed: equal seeds give equal snapshots; configurations of one seed are independent.
        configurations: more than one gives a list, run side by side.
        start: begin here instead of at ``system.random_snapshot``.
        dt, precision, checkpoint, progress, backend, threads: as for ``simulate.md``.

    Returns:
        Snapshot, or a list of them, with velocities.

    Raises:
        As ``simulate.md``.
    """
    validate.number("temperature", temperature, above=0)
    validate.number("duration", duration, above=0)
    validate.whole("seed", seed, least=0)
    configurations = validate.whole("configurations", configurations, least=1)
    common: dict[str, Any] = {"temperature": temperature, "precision": precision, "backend": backend, "threads": threads}
    if start is None:
        states = [system.random_snapshot(seed * 1_000_003 + k) for k in range(configurations)]
        for part in range(MELT_ROUNDS):
            run = md(
                system,
                states,
                duration=MELT_STEPS * MELT_DT,
                dt=MELT_DT,
                thermostat=None,
                seed=_part_seed(seed, part),
                progress=False,
                **common,
            )
            states = _snapshots(run.final)
    else:
        states = [start] * configurations if isinstance(start, Snapshot) else list(start)
    run = md(
        system, states, duration=duration, dt=dt, seed=_part_seed(seed, MELT_ROUNDS), checkpoint=checkpoint, progress=progress, **common
    )
    final = [Snapshot(s.positions, s.types, s.box, s.velocities) for s in _snapshots(run.final)]
    return final if len(final) > 1 or configurations > 1 else final[0]


def _snapshots(final: Snapshot | list) -> list[Snapshot]:
    return [final] if isinstance(final, Snapshot) else final


def _part_seed(seed: int, part: int) -> int:
    """A seed for each part of an equilibration, unlike any that users give."""
    return int(np.random.SeedSequence([seed, part, 0, 1]).generate_state(1, np.uint64)[0] >> 1)
