"""What HOOMD-blue runs for us: molecular dynamics of replicas one after another, and quenches.

Both are the runs of ``runs.py`` and ``quench_run.py`` with one replica in a batch: the same records, checkpoints, progress and
results. A chunk ends at steps that the number of particles alone decides. There the state is taken out and handed in
again, so that a run that was interrupted goes on with the same numbers as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu.dynamics.cage import InitialNeighbors, initial_neighbors, less_neighbors, unbroken_bonds
from glassgpu.dynamics.displacement import displacements
from glassgpu.dynamics.observables import overlap, self_intermediate_scattering
from glassgpu.engines.hoomd import MOST_FIRE_STEP, Hoomd, Simulator, first_step
from glassgpu.engines.md import LARGEST_STEP, MdRun
from glassgpu.engines.quench_run import DONE, ENERGY, QUENCH_STATE, STEPS, QuenchRun
from glassgpu.engines.quench_run import SKIN as QUENCH_SKIN
from glassgpu.engines.records import LARGEST_DISPLACEMENT, LENGTH_UNIT, square_unit
from glassgpu.errors import InvalidInput, SimulationFailed
from glassgpu.launch import LABEL_RANGE, RUNAWAY
from glassgpu.progress import uninterrupted
from glassgpu.systems.system import System
from glassgpu.types import Snapshot

WORK_PER_CHUNK = 5_000_000  # particle-steps, some seconds of one core
FEWEST_STEPS, MOST_STEPS = 50, 20_000  # of a chunk
FIRE_STEPS, FIRE_LOOKS = 2000, 100  # of a chunk; after how many the forces are looked at


def refuse_cuts(batch: int | None, chunk: int | None) -> None:
    """Raise if the work shall be cut as that of our own kernels is."""
    for name, value in (("batch", batch), ("chunk", chunk)):
        if value is not None:
            raise InvalidInput(f"{name}={value}: HOOMD-blue runs one after another, so there is nothing to cut; leave it out")


class HoomdRun(MdRun):
    """One run of all replicas of all configurations by HOOMD-blue. ``final`` as of ``MdRun``.

    Velocities are drawn here, from Philox keyed by all 64 bits of a replica's key: HOOMD keeps 16 of a seed.
    """

    target: Hoomd
    CUT_FREELY = False  # where a chunk ends is part of the numbers

    def __init__(self, *given: Any, batch: int | None = None, chunk: int | None = None, **cut: Any):
        refuse_cuts(batch, chunk)
        super().__init__(*given, **cut)
        if self.target.rank:
            self.progress = False
        self._near: tuple[int, InitialNeighbors] | None = None
        self._simulator: tuple[int, Simulator] | None = None

    # ------------------------------------------------------------ what MdRun asks

    def check(self) -> None:
        super().check()
        if self.plan.hops:
            raise InvalidInput(
                "backend='hoomd' does not watch for rearrangements and writes no frames=: leave out label 'rearrangement', frames= and "
                "hops=, or use another backend; dynamics.p_hop looks at kept positions"
            )

    def more_inputs(self) -> dict[str, Any]:
        return {**super().more_inputs(), "engine": (*self.target.about.values(), self.target.ranks)}

    def first_state(self, configuration: np.ndarray) -> dict[str, np.ndarray]:
        problem, plan = self.problem, self.plan
        snapshot, order = self.snapshots[configuration[0]], problem.order[configuration[0]]
        velocity = snapshot.velocities
        if plan.draw_velocities:
            key = self._keys_of(self._batch_rows())[0]
            mass = problem.system.mass[snapshot.types][:, None]
            velocity = np.random.Generator(np.random.Philox(key=key)).normal(size=(problem.n, problem.d)) * np.sqrt(plan.temperature / mass)
            velocity -= (mass * velocity).sum(axis=0) / mass.sum()
        assert velocity is not None  # else ``check`` had raised
        return {
            "place": snapshot.positions[order].T[None],
            "velocity": velocity[order].T[None],
            "bath": np.zeros((1, Simulator.BATH)),
        }

    def final_of(self, state: dict[str, np.ndarray], configuration: np.ndarray) -> dict[str, np.ndarray]:
        return {"places": state["place"], "velocities": state["velocity"]}

    # ------------------------------------------------------------ MPI: rank 0 reads, writes and records

    def _save(self) -> None:
        if self.target.rank == 0:
            super()._save()

    def _restore(self) -> None:
        if self.target.rank == 0:
            super()._restore()
        at = (self.first_row, self.step, self.rebuilds, {name: values.shape for name, values in self.state.items()})
        self.first_row, self.step, self.rebuilds, shapes = self.target.share(at)
        if self.target.rank:
            self.state = {name: np.zeros(shape) for name, shape in shapes.items()}
        if self.state:
            self._keys = self._keys_of(self._batch_rows())

    def written(self) -> tuple[Path | None, ...]:
        return () if self.target.rank else super().written()

    def run(self) -> HoomdRun:
        super().run()
        for values in self.results().values():
            self.target.share_into(values)
        return self

    # ------------------------------------------------------------ chunks

    def _chunk_steps(self, rate: float | None) -> int:
        """To the next step at which the state is handed over, or at which the temperature's slope changes."""
        every = min(max(WORK_PER_CHUNK // self.problem.n, FEWEST_STEPS), MOST_STEPS)
        ends = [self.plan.steps, (self.step // every + 1) * every, *(end for end, _, _ in self.plan.protocol if end > self.step)]
        return int(min(ends)) - self.step

    def _temperatures(self, steps: int) -> tuple[float, float]:
        """Of the bath at both ends of the next ``steps``, which lie in one segment of a protocol."""
        begin = 0
        for end, start, stop in self.plan.protocol:
            if self.step < end:
                slope = (stop - start) / (end - begin)
                return start + slope * (self.step - begin), start + slope * (self.step + steps - begin)
            begin = end
        last = self.plan.protocol[-1][2] if self.plan.protocol else self.plan.temperature
        return last, last

    def _simulator_of(self, configuration: int) -> Simulator:
        """The simulation of a configuration, at a time step from which HOOMD draws this replica's random numbers."""
        plan, key = self.plan, int(self._keys[0])
        if self._simulator and self._simulator[0] == configuration:
            found = self._simulator[1]
            if plan.thermostat != "langevin" or found.simulation.timestep == first_step(key, self.step, plan.thermostat):
                return found
        self._simulator = None  # before the new one takes its memory
        made = Simulator(
            self.target, self.problem.system, self.snapshots[configuration], self.problem.order[configuration], plan.skin,
            plan.thermostat, plan.dt, plan.thermostat_time, key=key, step=self.step,
        )  # fmt: skip
        self._simulator = configuration, made
        return made

    def _run_chunk(self, steps: int) -> None:
        rows, (configuration,) = self._batch_rows(), self._configuration()
        inside = self.records.inside(self.step, steps)
        recorded = {name: values for name, values in self.records.chunk(1, inside).items() if values is not None}
        builds, at, advice = 0, self.step, None
        try:
            simulator = self._simulator_of(int(configuration))
            place, velocity, bath = (self.state[name][0] for name in ("place", "velocity", "bath"))
            simulator.begin(place, velocity, bath, self._temperatures(steps), steps)
            for k, sample in enumerate(self.records.steps[inside].tolist()):
                builds, at = builds + simulator.run(sample - at), sample
                totals, state = simulator.totals(), simulator.state()
                if self.target.rank == 0:
                    # What is unsound is not recorded, which would stop this rank alone.
                    advice = advice or self._unsound(state) or self._record(recorded, k, int(configuration), totals, state["place"])
            builds += simulator.run(self.step + steps - at)
            state = simulator.state()
        except RuntimeError as error:  # such as a particle that is nowhere
            self._simulator = None
            raise self.failure(
                int(rows[0]), steps, f"HOOMD-blue stopped: {' '.join(str(error).split())}; {self.ADVICE[RUNAWAY]}"
            ) from error
        if self.target.rank == 0:
            advice = advice or self._unsound(state)
        if advice := self.target.share(advice):
            raise self.failure(int(rows[0]), steps, advice)
        with uninterrupted():
            self.state = {name: values[None] for name, values in state.items()}
            self.step += steps
            self.rebuilds += builds
            self.records.keep(recorded, rows, inside)

    def _unsound(self, state: dict[str, np.ndarray]) -> str | None:
        """What is wrong with a state, if anything."""
        step = float(np.abs(state["velocity"]).max()) * self.plan.dt
        return None if step < min(LARGEST_STEP, 0.25 * float(self.problem.boxes.min())) else self.ADVICE[RUNAWAY]

    # ------------------------------------------------------------ records (kernels/record.cuh)

    def _neighbors(self, configuration: int) -> InitialNeighbors:
        if self._near is None or self._near[0] != configuration:
            self._near = configuration, initial_neighbors(self.problem.system, self.snapshots[configuration])
        return self._near[1]

    def _record(self, recorded: dict[str, np.ndarray], k: int, configuration: int, totals: np.ndarray, place: np.ndarray) -> str | None:
        """Sample ``k`` of a chunk, particles in the order of the snapshot; what is wrong with it, if anything."""
        system, start, plan = self.problem.system, self.snapshots[configuration], self.plan
        positions = place[:, self.problem.rank[configuration]].T
        recorded["log"][0, k] = totals
        if "positions" in recorded:
            recorded["positions"][0, k] = positions
        if plan.score:
            score = plan.score.of(Snapshot(positions, start.types, start.box))
            group = np.broadcast_to(plan.score.group, (self.problem.configurations, start.n))[configuration]
            for power, sums in enumerate(np.moveaxis(recorded["scores"][0, k], -1, 0), start=1):
                sums[:] = np.bincount(group[group >= 0], score[group >= 0] ** power, plan.score.groups)
        if not recorded.keys() & {"sums", "drift", "bonds", "observable", "histogram"}:
            return None
        moved = [displacements(start.positions, positions, mass=system.mass[start.types])]
        if plan.cage_relative:
            moved.append(less_neighbors(self._neighbors(configuration), moved[0]))
        distance = np.linalg.norm(moved[-1], axis=1)
        if not float(distance.max()) < LARGEST_DISPLACEMENT:
            return self.ADVICE[LABEL_RANGE]
        if "sums" in recorded:
            recorded["sums"][configuration, k, 0] = np.rint(distance * LENGTH_UNIT)
            recorded["sums"][configuration, k, 1] = np.rint(distance**2 * square_unit(plan.replicas))
        if "drift" in recorded:
            recorded["drift"][configuration, k] = np.rint(moved[0].T * LENGTH_UNIT)
        if "bonds" in recorded:
            whole = unbroken_bonds(system, start, self._neighbors(configuration), positions)
            recorded["bonds"][configuration, k] = whole, whole**2
        for species in range(len(system.species)):
            mine = start.types == species
            if "observable" in recorded and mine.any():
                for which, of in enumerate(moved):
                    recorded["observable"][0, k, which, species] = _sums(of[mine], plan.observe.wavenumber, plan.observe.overlap_distance)
            if "histogram" in recorded:
                bins = np.minimum(distance[mine] / plan.observe.bin_width, plan.observe.bins - 1).astype(int)
                recorded["histogram"][configuration, k, species] = np.bincount(bins, minlength=plan.observe.bins)
        return None


def _sums(moved: np.ndarray, wavenumber: float, distance: float) -> tuple[float, float, float, float]:
    """Over particles: |dr|^2, |dr|^4, F_s and overlap."""
    square, n = (moved**2).sum(axis=1), len(moved)
    scattering, near = self_intermediate_scattering(moved, wavenumber), overlap(moved, distance)
    return float(square.sum()), float((square**2).sum()), n * float(scattering), n * float(near)


class HoomdQuench(QuenchRun):
    """Quenches one after another by FIRE, which begins anew, at rest, after every ``FIRE_STEPS``."""

    target: Hoomd

    def __init__(
        self, system: System, snapshots: Sequence[Snapshot], target: Hoomd, force_tolerance: float, most_steps: int, *_: Any,
        batch: int | None = None, chunk: int | None = None, **cut: Any,
    ):  # fmt: skip
        refuse_cuts(batch, chunk)
        # Places stand here in double precision, whatever HOOMD computes in.
        super().__init__(system, snapshots, target, force_tolerance, most_steps, False, "fire", "double", batch=1, chunk=FIRE_STEPS, **cut)
        if target.rank:
            self.progress = False
        self._simulator: tuple[int, Simulator] | None = None

    def more_inputs(self) -> dict[str, Any]:
        # FIRE begins anew after every chunk, and the last one ends where steps do.
        return {"engine": (*self.target.about.values(), self.target.ranks), "most_steps": self.most_steps}

    def written(self) -> tuple[Path | None, ...]:
        return () if self.target.rank else super().written()

    def _save(self) -> None:
        if self.target.rank == 0:
            super()._save()

    def _restore(self) -> None:
        if self.target.rank == 0:
            super()._restore()
        names = ("first", "tried", "places", "potential", "largest_force", "steps", "state")
        for name, value in zip(names, self.target.share([getattr(self, name) for name in names]), strict=True):
            setattr(self, name, value)
        if self.state:
            self._make_problem()

    def _start_batch(self) -> None:
        self._make_problem()
        self.tried = 0
        self.state = {"place": self.problem.places, "descent": np.zeros((1, QUENCH_STATE))}

    def _run_chunk(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        row, place = self.first, self.state["place"][0]
        descent = self.state["descent"].copy()
        if self._simulator is None or self._simulator[0] != row:
            self._simulator = None
            made = Simulator(
                self.target, self.system, self.snapshots[row], self.problem.order[0], QUENCH_SKIN, "fire", MOST_FIRE_STEP,
                tolerance=self.tolerance,
            )  # fmt: skip
            self._simulator = row, made
        simulator = self._simulator[1]
        try:
            simulator.begin(place, np.zeros_like(place), np.zeros(Simulator.BATH))
            simulator.run(0)
            energies, forces = simulator.each()
            done, steps = 0, 0
            while (largest := float(np.sqrt((forces**2).sum(axis=0).max()))) >= self.tolerance and done < most:
                steps = min(FIRE_LOOKS, most - done)
                simulator.run(steps)
                done += steps
                energies, forces = simulator.each()
        except RuntimeError as error:
            self._simulator = None
            raise SimulationFailed(
                f"configuration {row}: HOOMD-blue stopped: {' '.join(str(error).split())}; are these positions in units of sigma?"
            ) from error
        if not np.isfinite(largest):
            raise SimulationFailed(f"configuration {row}: a force that is not a number; are these positions in units of sigma?")
        place = self.target.share(simulator.state()["place"])
        descent[0, ENERGY] = energies.sum()
        descent[0, STEPS] += done
        descent[0, DONE] = largest < self.tolerance
        with uninterrupted():
            self.state = {"place": place[None], "descent": descent}
            self.tried += most
        self.largest_force[row] = largest
        return descent[:, DONE] == 1, self._steps()
