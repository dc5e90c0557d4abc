"""What hides behind the vibrations of a snapshot: its inherent structure and its cage state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.engines.isoconfigurational import isoconfigurational
from glassgpu.engines.options import DT, EDMD_DT
from glassgpu.engines.quench import quench
from glassgpu.systems.system import System, as_system
from glassgpu.types import Snapshot, as_snapshots


def inherent_structure(system: System, snapshot: Snapshot | Sequence[Snapshot], **options: Any) -> Snapshot | list[Snapshot]:
    """The nearest minimum of the potential energy.

    Args:
        system, snapshot: as for ``simulate.quench``.
        options: of ``simulate.quench``, such as ``force_tolerance`` and ``checkpoint``.

    Returns:
        Snapshot, or a list of them for a sequence.

    Raises:
        As ``simulate.quench``.

    Source: Stillinger and Weber, Phys. Rev. A 25, 978 (1982); project notes, section 2.

    Example:
        >>> system = gg.systems.kob_andersen(n=400, cutoff="per_pair")
        >>> liquids = gg.equilibrate(system, temperature=1.0, duration=1, seed=1, configurations=3, accept=None, progress=False)
        >>> inherent = gg.structure.inherent_structure(system, liquids, progress=False)
        >>> len(inherent), bool(gg.energy(system, inherent[0]).potential < gg.energy(system, liquids[0]).potential)
        (3, True)
    """
    return quench(system, snapshot, **options).final


def cage_state(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    temperature: float,
    duration: float = 5.0,
    replicas: int = 16,
    seed: int = 0,
    samples: int = 16,
    dt: float | None = None,
    **options: Any,
) -> Snapshot | list[Snapshot]:
    """Positions averaged inside the cage: over short runs with fresh velocities, and over time.

    The average is taken over ``samples`` times in the second half of the runs, when velocities are
    forgotten and particles still rattle in their cages, and over ``replicas`` runs. The restricted
    Monte Carlo of Alkemade, Smallenburg and Filion (J. Chem. Phys. 158, 134512 (2023)) forbids
    particles to leave a sphere around where they started. Short runs need no radius to be chosen
    and come from the kernel that makes the labels; in exchange a particle that leaves its cage
    within ``duration`` in some of the runs is placed between its cages, so the duration has to
    stay far below the relaxation time.

    Args:
        system, snapshot: as for ``simulate.md``, or ``simulate.edmd``: hard spheres are run by their own dynamics, all others by
            molecular dynamics.
        temperature: of the runs.
        duration: of the runs, longer than a few vibrations [time].
        replicas: runs from each snapshot, at least 2.
        seed: equal seeds give equal states.
        samples: times averaged over.
        dt: time step; for hard spheres what times are counted in.
        options: ``precision``, ``checkpoint``, ``progress``, ``backend``, ``threads``, ``executor`` of ``simulate.md``.

    Returns:
        Snapshot, or a list of them for a sequence. The centre of mass stays where it was.

    Raises:
        As ``isoconfigurational``.

    Source: project notes, section 2.
    """
    validate.whole("samples", samples, least=1)
    dynamics = "edmd" if as_system(system).dynamics == "edmd" else "md"
    dt = validate.number("dt", {"edmd": EDMD_DT, "md": DT}[dynamics] if dt is None else dt, above=0)
    validate.number("duration", duration, above=2 * samples * dt)
    snapshots, many = as_snapshots(snapshot)
    times = np.linspace(duration / 2, duration, samples + 1)[1:]
    runs = isoconfigurational(
        system, snapshots, temperature=temperature, times=(dt * np.rint(times / dt)).tolist(), replicas=replicas, seed=seed, dt=dt,
        dynamics=dynamics, cage_relative=False, labels=("mean_displacement",), **options,
    )  # fmt: skip
    assert runs.mean_displacement is not None
    moved = runs.mean_displacement.values.mean(axis=1)
    out = [Snapshot(s.positions + m, s.types, s.box) for s, m in zip(snapshots, moved, strict=True)]
    return out if many else out[0]
