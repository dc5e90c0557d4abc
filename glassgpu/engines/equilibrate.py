"""Equilibrated configurations from random ones or from given ones, accepted by test."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import __version__, validate
from glassgpu.compile import source_key
from glassgpu.dynamics.cage import cage_relative
from glassgpu.dynamics.displacement import displacements
from glassgpu.dynamics.observables import self_intermediate_scattering
from glassgpu.dynamics.stationarity import Stationarity, Window, compare, octants
from glassgpu.engines import checkpoint as checkpoints
from glassgpu.engines.hoomd import hoomd_place
from glassgpu.engines.options import DT, EDMD_DT, precision_of
from glassgpu.engines.problem import FORCES, NO_FORCES
from glassgpu.errors import Interrupted, InvalidInput, NotConverged
from glassgpu.executors import Executor, chosen, spread
from glassgpu.progress import Progress, uninterrupted
from glassgpu.simulate import Trajectory, edmd, mc, md, swap_mc
from glassgpu.structure.bond_order import long_range_order
from glassgpu.structure.crystal import largest_crystalline_cluster
from glassgpu.systems.system import System, as_system
from glassgpu.types import Snapshot, as_snapshots

SIMULATED: dict[str, Any] = {"md": md, "mc": mc, "swap_mc": swap_mc, "edmd": edmd}
# A random start holds far more potential energy than the liquid. Rounds of short runs, each
# with fresh velocities, carry it away before the time step of the liquid can be used.
MELT_ROUNDS, MELT_STEPS, MELT_DT = 20, 50, 0.001
ENERGIES, SCATTERINGS = 50, 10  # samples of a window
MOST_DOUBLINGS = 4
MOST_CRYSTALLINE = 0.02  # share of the particles in the largest crystalline cluster


def equilibrate(
    system: System,
    temperature: float,
    duration: float,
    seed: int,
    *,
    configurations: int = 1,
    start: Snapshot | Sequence[Snapshot] | None = None,
    accept: str | None = "test",
    dynamics: str | None = None,
    dt: float | None = None,
    precision: str | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = True,
    backend: str = "auto",
    threads: int | None = None,
    executor: Executor | None = None,
) -> Snapshot | list[Snapshot]:
    """Run at constant temperature until the liquid no longer changes.

    The run is cut into windows, at first half of ``duration`` long. The state is accepted when
    two consecutive windows agree (``dynamics.stationarity``): F_s(k, t) of the majority species at
    ``system.wavenumber`` has fallen below 1/e and does not age, the potential energy (of hard spheres the
    pressure) is stationary, both within 3 standard errors, and there is no order: in three dimensions the largest crystalline
    cluster holds less than 2 % of the particles, in two ``structure.long_range_order`` sees none.
    Otherwise another window follows, twice as long when F_s had not yet fallen to 1/e. In two
    dimensions F_s is that of cage-relative displacements.

    Args:
        system: what to equilibrate.
        temperature: of the bath.
        duration: the least length of the run, a few relaxation times of these dynamics [time, or sweeps].
        seed: equal seeds give equal snapshots; configurations of one seed are independent.
        configurations: more than one gives a list, run side by side.
        start: begin here instead of at ``system.random_snapshot``.
        accept: ``"test"``, or None to run for ``duration`` and return without a test.
        dynamics: ``"md"``, ``"mc"``, ``"swap_mc"`` or ``"edmd"``; by default the system's own, but ``"swap_mc"`` for
            those of Monte Carlo, which relaxes them fastest.
        dt: of molecular dynamics.
        precision: ``"single"`` or ``"double"``; by default single, but double for event-driven dynamics.
        checkpoint, progress, backend, threads, executor: as for ``simulate.md``.

    Returns:
        Snapshot, or a list of them, with velocities after molecular dynamics.

    Raises:
        NotConverged: still changing, or not relaxed, after 16 times the duration; the message says
            what was seen, and the checkpoint, if any, is kept.
        As ``simulate.md``.

    Source: project notes, section 1 (a state is accepted by test, not by step count).

    Example:
        >>> system = gg.systems.kob_andersen(n=400, cutoff="per_pair")
        >>> liquids = gg.equilibrate(system, temperature=1.0, duration=1, seed=1, configurations=2, accept=None, progress=False)
        >>> liquids[0].positions.shape, liquids[0].types.max()
        ((400, 3), np.int32(1))

        For research leave ``accept`` out: the liquid is then run until it passes the test.
    """
    system = as_system(system)
    validate.number("temperature", temperature, above=0)
    validate.number("duration", duration, above=0)
    validate.whole("seed", seed, least=0)
    validate.choice("accept", accept, ("test", None))
    configurations = validate.whole("configurations", configurations, least=1)
    dynamics = validate.choice("dynamics", dynamics or ("swap_mc" if system.dynamics == "mc" else system.dynamics), tuple(SIMULATED))
    if (system.law == "hard") != (dynamics == "edmd"):
        raise InvalidInput(f"{system.name}: {FORCES if dynamics == 'edmd' else NO_FORCES}")
    if dynamics in ("mc", "swap_mc") and dt is not None:
        raise InvalidInput(
            f"dt= does not belong to dynamics={dynamics!r}, by which {system.name} is run; leave it out or give dynamics='md'"
        )
    usual, longest = {"md": (DT, 0.1), "edmd": (EDMD_DT, 1.0)}.get(dynamics, (1.0, 1.0))
    dt = validate.number("dt", usual if dt is None else dt, above=0, most=longest)
    precision = precision_of(dynamics, precision, backend)
    if not (start is None or isinstance(start, Snapshot)) and configurations not in (1, len(as_snapshots(start)[0])):
        raise InvalidInput(f"configurations={configurations} beside {len(start)} snapshots as start=: leave configurations out")
    single = isinstance(start, Snapshot) if start is not None and configurations == 1 else configurations == 1
    options: dict[str, Any] = {"backend": backend, "threads": threads, "progress": progress, "executor": chosen(executor)}
    if dynamics != "edmd":
        options["precision"] = precision
    run = _Run(system, temperature, seed, dynamics, dt, options)
    path = checkpoints.checkpoint_path(checkpoint)
    if path:
        run.path = checkpoints.writable(path)
        given = [] if start is None else [start] if isinstance(start, Snapshot) else list(start)
        run.key = checkpoints.fingerprint(
            what="equilibrate",
            **({"engine": tuple(hoomd_place().about.values())} if backend == "hoomd" else {}),
            code=(__version__, source_key()),
            wavenumber=system.wavenumber,
            temperature=temperature,
            duration=duration,
            seed=seed,
            configurations=configurations,
            accept=accept,
            dynamics=dynamics,
            dt=dt,
            precision=precision,
            **system.physics(),
            start=np.concatenate([np.concatenate([s.positions.ravel(), s.types, s.box]) for s in given]) if given else np.zeros(0),
            counts=(system.counts, system.density),
        )
    continued = run.restore(system)
    if backend == "hoomd" and not hoomd_place().leads():  # once all have read what there was
        run.path = None
    if not continued:
        if start is None:
            run.states = [system.random_snapshot(seed * 1_000_003 + k) for k in range(configurations)]
            if dynamics == "md":
                # Many rounds, each too short to be worth the way to a worker: all are one task.
                melting = dataclasses.replace(run, options={**options, "progress": False, "executor": None})
                ((_, run.states),) = spread(_melted, [(melting,)], options["executor"])
        else:
            run.states = [start] * configurations if isinstance(start, Snapshot) else list(start)
        run.save()
    if accept is None and not run.done:
        run.window(duration, watch=False)
    while not run.done:
        if run.total > 16 * duration * (1 - 1e-9):
            raise NotConverged(
                f"{system.name} at T = {temperature:g} is not in equilibrium after a run of {run.total:g}: {run.verdict}. Give a longer "
                "duration=, start= from a state that is better equilibrated, or accept=None to take it as it is"
            )
        run.window(duration / 2 * 2**run.doublings)
    return run.states[0] if single else run.states


@dataclass
class _Run:
    """A liquid under way: its states, its last window, and where both are kept."""

    system: System
    temperature: float
    seed: int
    dynamics: str
    dt: float  # 1, a sweep, for Monte Carlo
    options: dict[str, Any]
    path: Path | None = None
    key: str = ""
    states: list[Snapshot] = field(default_factory=list)
    last: Window | None = None
    verdict: Stationarity | None = None
    windows: int = 0
    doublings: int = 0
    total: float = 0.0
    done: bool = False

    def save(self) -> None:
        if self.path:
            arrays = {
                "positions": np.stack([s.positions for s in self.states]),
                "types": np.stack([s.types for s in self.states]),
                "box": np.stack([s.box for s in self.states]),
                "counters": np.array([self.windows, self.doublings, self.total, self.done]),
            }
            if self.states[0].velocities is not None:
                arrays["velocities"] = np.stack([s.velocities for s in self.states if s.velocities is not None])
            if self.last:
                arrays |= {"energy": self.last.energy, "scattering": self.last.scattering, "owner": self.last.owner}
            if self.verdict:
                arrays["verdict"] = np.array(dataclasses.astuple(self.verdict), float)
            checkpoints.save(self.path, self.key, arrays)

    def restore(self, system: System) -> bool:
        """Continue from the file; False when there is none."""
        found = checkpoints.load(self.path, self.key) if self.path else None
        if found is None:
            return False
        velocities = found.get("velocities", [None] * len(found["positions"]))
        parts = zip(found["positions"], found["types"], found["box"], velocities, strict=True)
        self.states = [Snapshot(x, t, b, v) for x, t, b, v in parts]
        windows, doublings, self.total, done = found["counters"].tolist()
        self.windows, self.doublings, self.done = int(windows), int(doublings), bool(done)
        self.last = Window(found["energy"], found["scattering"], found["owner"]) if "energy" in found else None
        if "verdict" in found:
            relaxed, *rest = found["verdict"].tolist()
            self.verdict = Stationarity(bool(relaxed), *rest)
        return True

    def melt(self) -> None:
        """From random positions to something that the time step of the liquid can run."""
        options = {**self.options, "dt": MELT_DT, "progress": False}
        try:
            for part in range(MELT_ROUNDS):
                run = md(
                    self.system, self.states, temperature=self.temperature, duration=MELT_STEPS * MELT_DT, thermostat=None,
                    seed=_part_seed(self.seed, part), **options,
                )  # fmt: skip
                self.states = as_snapshots(run.final)[0]
        except Interrupted:
            raise Interrupted(
                "stopped while the random start was melting; nothing is lost but these seconds, the same call starts anew"
            ) from None

    def window(self, length: float, watch: bool = True) -> None:
        """One more window, and what it was like."""
        steps = max(1, round(length / self.dt))
        even = np.unique(np.round(np.linspace(0, steps, ENERGIES + 1)[1:]).astype(int)) if watch else np.array([steps])
        part = self.path.with_name(f"{self.path.name}.window{self.windows}") if self.path else None
        origin = self.states
        more = {"dt": self.dt} if self.dynamics in ("md", "edmd") else {}
        run = SIMULATED[self.dynamics](
            self.system, origin, temperature=self.temperature, times=(self.dt * even).tolist(),
            seed=_part_seed(self.seed, MELT_ROUNDS + self.windows), keep_positions=watch, checkpoint=part, **more, **self.options,
        )  # fmt: skip
        last = None
        if watch:
            assert run.positions is not None
            kept = np.unique(np.round(np.geomspace(1, len(even), SCATTERINGS)).astype(int)) - 1
            scattering = [self._scattering(s, x[0, kept]) for s, x in zip(origin, run.positions, strict=True)]
            owner = np.repeat(np.arange(len(scattering)), [len(s) for s in scattering])
            last = Window(self._energy(run)[:, 0], np.concatenate(scattering), owner)
        with uninterrupted():
            self.states = [Snapshot(s.positions, s.types, s.box, s.velocities) for s in as_snapshots(run.final)[0]]
            self.windows += 1
            self.total += length
            self._judge(last)
            # One save for the window and what it led to, or a run killed between would take another way.
            # Once done it holds the result, until the caller deletes it: the same call returns at once.
            self.save()
        if part:
            part.unlink(missing_ok=True)  # what it held stands in the run's own checkpoint now

    def _judge(self, last: Window | None) -> None:
        """Compare the new window with the one before, and decide what comes next."""
        previous, self.last = self.last, last
        if last is None:
            self.done = True  # nothing to be tested
        elif previous is not None:
            self.verdict = compare(previous, last, max(self._order(s) for s in self.states))
            self.done = self.verdict.accepted
            if not self.verdict.relaxed and self.doublings < MOST_DOUBLINGS:
                self.doublings += 1
                self.last = None

    def _energy(self, run: Trajectory) -> np.ndarray:
        """What has to be stationary, (configuration, replica, time): the potential energy per particle; of hard spheres the pressure at
        one temperature, because that of drawn velocities scatters from window to window and the pressure with it."""
        if self.system.law != "hard" or run.kinetic is None:
            return run.potential / self.states[0].n
        return run.pressure / (2 * run.kinetic / (self.system.dimension * (self.states[0].n - 1)))

    def _scattering(self, origin: Snapshot, positions: np.ndarray) -> np.ndarray:
        """F_s of the majority species in each octant of the box, (octant, time); cage-relative in two dimensions."""
        mine = origin.types == np.argmax(np.bincount(origin.types))
        moved = displacements(origin.positions, positions, mass=self.system.mass[origin.types])
        if self.system.dimension == 2:
            moved = cage_relative(self.system, origin, moved)
        part = octants(origin.positions, origin.box)
        inside = [mine & (part == o) for o in range(2**origin.dimension)]
        return np.stack([self_intermediate_scattering(moved[:, of], self.system.wavenumber) for of in inside if of.any()])

    def _order(self, state: Snapshot) -> float:
        """The largest sign of order over what is allowed of it."""
        if self.system.dimension == 2:
            return long_range_order(self.system, state).excess
        return largest_crystalline_cluster(state) / MOST_CRYSTALLINE


def _melted(run: _Run) -> list[Snapshot]:
    """``_Run.melt`` as a task."""
    run.melt()
    return run.states


def _part_seed(seed: int, part: int) -> int:
    """A seed for each part of an equilibration, unlike any that users give."""
    return int(np.random.SeedSequence([seed, part, 0, 1]).generate_state(1, np.uint64)[0] >> 1)
