"""Simulations that users start, of any number of replicas: molecular dynamics, Monte Carlo, collisions, quenches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glassgpu import validate
from glassgpu.dynamics.hops import Hops
from glassgpu.dynamics.observables import Observe
from glassgpu.dynamics.scores import Scores
from glassgpu.engines.calls import Cut, run_to_end, schedule, watched
from glassgpu.engines.edmd import EdmdRun
from glassgpu.engines.mc import McRun
from glassgpu.engines.md import MdRun
from glassgpu.engines.options import (
    DT,
    EDMD_DT,
    MC_SKIN,
    SKIN,
    STEP,
    SWAP_FRACTION,
    edmd_plan,
    mc_plan,
    md_plan,
    precision_of,
    steps_of,
)
from glassgpu.engines.quench import Quench, quench
from glassgpu.engines.trajectory import Trajectory
from glassgpu.errors import InvalidInput
from glassgpu.executors import Executor
from glassgpu.names import explain_missing
from glassgpu.progress import Progress
from glassgpu.protocols import Segment, Temperature, checked, duration_of
from glassgpu.systems.system import System, as_system
from glassgpu.types import Snapshot, as_snapshots

__all__ = ["Quench", "Trajectory", "edmd", "mc", "md", "protocol", "quench", "swap_mc"]
explain_missing(globals())


def md(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    temperature: Temperature | None = None,
    duration: float | None = None,
    times: Sequence[float] | None = None,
    dt: float = DT,
    thermostat: str | None = "nose_hoover",
    thermostat_time: float = 0.5,
    replicas: int = 1,
    seed: int = 0,
    precision: str | None = None,
    skin: float = SKIN,
    keep_positions: bool = False,
    observe: Observe | None = None,
    score: Scores | None = None,
    cage_relative: bool | None = None,
    frames: str | Path | None = None,
    hops: Hops | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
    executor: Executor | None = None,
) -> Trajectory:
    """Molecular dynamics at constant energy or temperature.

    Velocity Verlet; ``"nose_hoover"`` is a Nose-Hoover chain of three (kernels/thermostat.cuh), ``"langevin"`` friction and
    noise in the middle of every step (BAOAB, kernels/langevin.cuh), which conserves no momentum.

    Args:
        system: pair laws and masses.
        snapshot: start, or a sequence of starts of one System, run side by side.
        temperature: fresh Maxwell-Boltzmann velocities are drawn at it, total momentum zero. A list of
            ``protocols.Segment`` changes the temperature of the bath as the run goes (see ``protocol``).
            None continues with the snapshot's own velocities (constant energy only).
        duration: length of the run [time]; by default the last of ``times``.
        times: (time,) when to record, ascending, each at least ``dt`` [time].
        dt: time step [time].
        thermostat: ``"nose_hoover"``, ``"langevin"`` or None (constant energy).
        thermostat_time: period parameter of the chain; of Langevin dynamics the time m / gamma in which a velocity
            is forgotten, at least ``dt`` [time]. Positions are then sampled at the bath's temperature, but velocities at whole
            steps read colder by dt^2 Omega^2 / 4 of it (0.3 % at dt = 0.005), Omega being a particle's frequency in its cage.
        replicas: runs from each snapshot.
        seed: replica r of configuration c gets the same numbers whatever else is run. A run that goes on from another needs
            another seed: velocities and noise are the same numbers again otherwise.
        precision: ``"single"`` or ``"double"``; by default single, but by HOOMD-blue that of its build, which alone it can do.
        skin: of the neighbour lists [length]; changes speed, not physics.
        keep_positions: keep unwrapped positions at ``times``.
        observe: mean squared displacement, F_s, overlap and the rest, summed inside the run.
        score: means of a linear model of structure, such as softness, over groups of particles (``dynamics.Scores``), summed
            inside the run; one evaluation costs about as much as 25 to 40 steps (benchmarks/scores_rate.py).
        cage_relative: observables also of cage-relative displacements (``dynamics.cage_relative``), and
            the van Hove function of these alone; None: in two dimensions.
        frames: Zarr store that positions, p_hop, the cumulative squared displacement and the unbroken bonds of
            every particle are written to while the run goes, at equal intervals (``io.open_frames`` reads it).
            Memory does not grow with their number. After an interruption give the same store and checkpoint.
        hops: interval of the frames and windows of p_hop; by default ``dynamics.Hops()``: a frame per unit of
            time, windows of 5. In two dimensions, and with ``cage_relative``, of cage-relative displacements.
        checkpoint: file to save to every half minute and to continue from; of a finished run it holds
            the result, and the same call returns at once.
        progress: a bar (True), nothing (False), or a function told the fraction done.
        backend: ``"auto"``, ``"cuda"`` or ``"cpu"``; or ``"hoomd"``: HOOMD-blue, for large or long single runs and as a witness. It
            runs one replica after another, on a GPU if it finds one; under ``mpirun`` on all ranks, every one of which
            returns the same. Its thermostats are its own: one Nose-Hoover thermostat, no chain (MTTK), and Langevin
            dynamics with noise that is uniformly distributed. Neither ``frames`` nor ``hops``. A run that was interrupted goes
            on with the same numbers on as many ranks, saved after every 5e6 particle-steps or more.
        threads, batch, chunk: how the work is cut; no result depends on them, bit for bit. Not for HOOMD-blue.
        executor: workers that do the run in parts, such as ``executors.Processes(4)`` or a Dask client's: blocks of ``batch``
            replicas of a configuration, by default about 32 in all. The results are the same bits. With ``checkpoint`` every
            part keeps one of its own beside it, in a folder that all workers see. None: that of ``executors.using``, else this process.

    Returns:
        Trajectory.

    Raises:
        InvalidInput, BoxTooSmall, UnknownSpecies, ParticlesOverlap, DeviceMissing, CompilerMissing: before anything is run.
        CheckpointMismatch, FileFormatError, OutputNotWritable: of the checkpoint and of ``frames``, likewise.
        SimulationFailed, Interrupted: with the checkpoint kept.

    Warns:
        SuspiciousInput: density or composition unlike the system's (other units, other types).

    Source: Martyna, Klein and Tuckerman, J. Chem. Phys. 97, 2635 (1992), for the chain; Leimkuhler and Matthews, Appl. Math. Res.
    Express 2013, 34, for BAOAB.

    Example:
        >>> system = gg.systems.kob_andersen(n=400, cutoff="per_pair")
        >>> liquid = gg.equilibrate(system, temperature=1.0, duration=1, seed=1, accept=None, progress=False)
        >>> run = gg.simulate.md(system, liquid, temperature=1.0, times=[0.1, 1.0], replicas=2, seed=2, keep_positions=True, progress=False)
        >>> run.positions.shape  # (replica, time, particle, dim), unwrapped
        (2, 2, 400, 3)
    """
    dt = validate.number("dt", dt, above=0, most=0.1)
    snapshots, many = as_snapshots(snapshot)
    if temperature is None and thermostat is not None:
        raise InvalidInput(f"thermostat={thermostat!r} needs temperature=")
    steps, samples, asked = schedule(duration, times, dt, observe, frames, cage_relative, keep_positions, score)
    plan = md_plan(
        as_system(system), **watched(frames, hops, dt), temperature=temperature, dt=dt, thermostat=thermostat, thermostat_time=thermostat_time, precision=precision_of("md", precision, backend),
        skin=skin, replicas=replicas, seed=seed, steps=steps, samples=samples, draw_velocities=temperature is not None, labels=False,
        observe=observe, score=score, cage_relative=cage_relative, keep_positions=keep_positions, keep_final=True,
    )  # fmt: skip
    cut = Cut(batch, chunk, checkpoint, progress, backend, threads, executor)
    return run_to_end(MdRun, system, snapshots, plan, cut, frames, many, asked)


def protocol(
    system: System, snapshot: Snapshot | Sequence[Snapshot], segments: Sequence[Segment], *, dynamics: str | None = None, **options: Any
) -> Trajectory:
    """The dynamics of a system while the temperature of its bath follows a protocol, from its beginning to its end.

    Args:
        system, snapshot: as for ``md`` or ``mc``.
        segments: ``protocols.hold``, ``ramp``, ``quench`` and ``cycle``, added to each other; each ends on a whole step.
        dynamics: ``"md"``, ``"mc"`` or ``"swap_mc"``; by default the system's own.
        options: as for ``md``, ``mc`` or ``swap_mc``, which a list of segments as ``temperature=`` does as well.

    Raises:
        InvalidInput: hard spheres, of which a temperature only scales the time.
        As ``md`` and ``mc``.

    Source: TH section 4.2.2, for cycles.

    Example:
        >>> system = gg.systems.kob_andersen(n=400, cutoff="per_pair")
        >>> liquid = gg.equilibrate(system, temperature=1.0, duration=1, seed=1, accept=None, progress=False)
        >>> cooling = gg.protocols.hold(1.0, 0.5) + gg.protocols.ramp(1.0, 0.8, 0.5)
        >>> run = gg.simulate.protocol(system, liquid, cooling, times=[0.5, 1.0], seed=2, progress=False)
        >>> run.times.tolist()
        [0.5, 1.0]
    """
    system = as_system(system)
    if system.law == "hard":
        raise InvalidInput(
            f"{system.name}: a temperature only scales the time of hard spheres; start from another packing fraction instead"
        )
    checked(segments)
    for name in ("temperature", "duration"):
        if name in options:
            raise InvalidInput(f"{name}= is what segments= say; leave it out")
    run = {"md": md, "mc": mc, "swap_mc": swap_mc}[validate.choice("dynamics", dynamics or system.dynamics, ("md", "mc", "swap_mc"))]
    return run(system, snapshot, temperature=segments, duration=duration_of(segments), **options)  # type: ignore[operator]


def edmd(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    temperature: float | None = None,
    duration: float | None = None,
    times: Sequence[float] | None = None,
    dt: float = EDMD_DT,
    replicas: int = 1,
    seed: int = 0,
    skin: float | None = None,
    keep_positions: bool = False,
    observe: Observe | None = None,
    cage_relative: bool | None = None,
    frames: str | Path | None = None,
    hops: Hops | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
    executor: Executor | None = None,
) -> Trajectory:
    """Event-driven molecular dynamics of hard spheres: free flight from one collision to the next, in double precision.

    Nothing is discretised. ``dt`` is only what times are counted in, and samples leave no trace in a run. Long
    runs of few particles cost what their collisions cost: 44 of each particle in a unit of time at a packing
    fraction of 0.50, and 84 at 0.58.

    Args:
        system: of hard spheres.
        snapshot: start, or a sequence of starts, run side by side; spheres may overlap by 1e-5 of a diameter,
            which single precision in a file leaves; such pairs part as if they touched.
        temperature: fresh Maxwell-Boltzmann velocities are drawn at it, total momentum zero; None continues with the
            snapshot's own. Energy is conserved either way.
        duration, times: as for ``md``, (time,) in units of tau = sqrt(m sigma^2 / k_B T) for ``temperature=1``.
        dt: all times are whole multiples of it.
        skin: added to the diameters in neighbour lists [length]; changes speed, not physics. None: lists of about 24.
        replicas, seed, keep_positions, observe, cage_relative, frames, hops, checkpoint, progress, backend, threads,
            batch, chunk, executor: as for ``md``.

    Returns:
        Trajectory with ``collisions`` and ``contact_values``; its pressure is that of the collisions between one time and the next, at the
        temperature that the drawn velocities happen to have, 2 ``kinetic`` / (3 (N - 1)).

    Raises, Warns: as ``md``.

    Source: Alder and Wainwright, J. Chem. Phys. 31, 459 (1959); CMP section II.A.

    Example:
        >>> spheres = gg.systems.hard_spheres(n=300, packing_fraction=0.4)
        >>> start = spheres.random_snapshot(seed=1)
        >>> run = gg.simulate.edmd(spheres, start, temperature=1.0, duration=1.0, seed=2, progress=False)
        >>> bool(run.collisions[0] > 1000)
        True
    """
    dt = validate.number("dt", dt, above=0, most=1)
    snapshots, many = as_snapshots(snapshot)
    if duration is not None:
        steps_of([validate.number("duration", duration, above=0)], dt)
    steps, samples, asked = schedule(duration, times, dt, observe, frames, cage_relative, keep_positions)
    plan = edmd_plan(
        as_system(system), snapshots, **watched(frames, hops, dt), temperature=temperature, dt=dt, precision="double", skin=skin, replicas=replicas,
        seed=seed, steps=steps, samples=samples, draw_velocities=temperature is not None, labels=False, observe=observe,
        cage_relative=cage_relative, keep_positions=keep_positions, keep_final=True,
    )  # fmt: skip
    cut = Cut(batch, chunk, checkpoint, progress, backend, threads, executor)
    return run_to_end(EdmdRun, system, snapshots, plan, cut, frames, many, asked)


def mc(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    temperature: Temperature,
    duration: float | None = None,
    times: Sequence[float] | None = None,
    step: float = STEP,
    replicas: int = 1,
    seed: int = 0,
    precision: str = "single",
    skin: float = MC_SKIN,
    keep_positions: bool = False,
    observe: Observe | None = None,
    cage_relative: bool | None = None,
    frames: str | Path | None = None,
    hops: Hops | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
    executor: Executor | None = None,
) -> Trajectory:
    """Metropolis Monte Carlo dynamics: random displacements of single particles.

    A trial takes a random particle and moves it by a random vector, each component uniform in
    (-step/2, step/2); it is accepted with probability min(1, exp(-dE / T)). Trials of a replica
    follow strictly one after another. A sweep, the unit of time, is N trials.

    Args:
        temperature: of the Metropolis rule; or a list of ``protocols.Segment``, in sweeps (see ``protocol``).
        duration: length of the run [sweeps]; by default the last of ``times``.
        times: (time,) when to record, ascending whole numbers of sweeps, from 1 on.
        step: side of the square or cube that displacements are drawn from [length].
        precision: of energy differences; ``"single"`` places particles on a grid of L / 2^32, on which
            no error accumulates however long the run.
        system, snapshot, replicas, seed, skin, keep_positions, observe, cage_relative, frames, hops, checkpoint,
            progress, backend, threads, batch, chunk, executor: as for ``md``; the interval of frames is in sweeps.

    Raises, Warns: as ``md``.

    Source: Metropolis et al., J. Chem. Phys. 21, 1087 (1953); II section II.A.

    Example:
        >>> film = gg.systems.ternary_2d(n=300)
        >>> run = gg.simulate.mc(film, film.random_snapshot(seed=1), temperature=1.0, duration=50, seed=2, progress=False)
        >>> run.final.n
        300
    """
    return _monte_carlo(
        system, snapshot, duration, times,
        Cut(batch, chunk, checkpoint, progress, backend, threads, executor),
        temperature=temperature, step=step, replicas=replicas, seed=seed, precision=precision, skin=skin, observe=observe,
        cage_relative=cage_relative, keep_positions=keep_positions, frames=frames, hops=hops,
    )  # fmt: skip


def swap_mc(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    *,
    temperature: Temperature,
    duration: float | None = None,
    times: Sequence[float] | None = None,
    step: float = STEP,
    swap_fraction: float = SWAP_FRACTION,
    replicas: int = 1,
    seed: int = 0,
    precision: str = "single",
    skin: float = MC_SKIN,
    keep_positions: bool = False,
    observe: Observe | None = None,
    cage_relative: bool | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk: int | None = None,
    executor: Executor | None = None,
) -> Trajectory:
    """Swap Monte Carlo: displacements mixed with exchanges of the species of two random particles.

    Samples the same equilibrium as ``mc`` far faster, by a motion that no molecule could make. The
    composition stays what it is. Labels and observables follow the particles; their species are
    those at time 0.

    Args:
        swap_fraction: share of the trials that are exchanges, in (0, 1].
        others: as for ``mc``.

    Returns:
        Trajectory with ``exchanges``, tried and accepted by pair of species, and other types in ``final``.

    Raises:
        InvalidInput: a system of one species.
        As ``mc``.

    Source: Grigera and Parisi, Phys. Rev. E 63, 045102 (2001); Ninarello, Berthier and Coslovich,
    Phys. Rev. X 7, 021039 (2017).
    """
    if len(as_system(system).species) < 2:
        raise InvalidInput(f"{system.name} has one species: there is nothing to exchange; use mc")
    return _monte_carlo(
        system, snapshot, duration, times,
        Cut(batch, chunk, checkpoint, progress, backend, threads, executor),
        temperature=temperature, step=step, exchange=swap_fraction, replicas=replicas, seed=seed, precision=precision, skin=skin,
        observe=observe, cage_relative=cage_relative, keep_positions=keep_positions,
    )  # fmt: skip


def _monte_carlo(
    system: System,
    snapshot: Snapshot | Sequence[Snapshot],
    duration: float | None,
    times: Sequence[float] | None,
    cut: Cut,
    frames: str | Path | None = None,
    hops: Hops | None = None,
    **asked: Any,
) -> Trajectory:
    snapshots, many = as_snapshots(snapshot)
    if duration is not None:
        validate.whole(
            "duration, in sweeps,", int(duration) if isinstance(duration, float) and duration.is_integer() else duration, least=1
        )
    steps, samples, at = schedule(duration, times, None, asked["observe"], frames, asked["cage_relative"], asked["keep_positions"])
    asked |= watched(frames, hops, 1.0)
    plan = mc_plan(as_system(system), steps=steps, samples=samples, labels=False, keep_final=True, **asked)
    return run_to_end(McRun, system, snapshots, plan, cut, frames, many, at)
