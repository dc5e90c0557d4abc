"""HOOMD-blue as second engine and witness. The only file that imports hoomd, and only when it is asked for.

HOOMD-blue (Anderson, Glaser, Glotzer, Comput. Mater. Sci. 173, 109363 (2020)) runs one system at a time, on a GPU where
its build and the machine have one, and under ``mpirun`` on as many ranks as were started. What a run, a quench and an
energy make of it stands in ``hoomd_runs.py``; here a ``System`` becomes HOOMD's forces, and a state goes in and out.
Written for the documented interface of HOOMD-blue 4 to 7.

**Pair laws are exact, not fitted.** ``shifted`` is HOOMD's LJ in mode ``"shift"``, each pair with its own cut-off.
``smooth`` is a sum of three: below the inner radius LJ + constant is a share of LJ that is shifted to zero there and the
rest of it that is not; the quartic beyond is a table. HOOMD interpolates tables linearly, so an error of
(width of a bin)^2 / 8 times the second derivative remains: with 2^16 bins below 1e-10 in the force on a particle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np

from glassgpu.errors import BoxTooSmall, DeviceMissing, InvalidInput
from glassgpu.launch import Cpu, Cuda, target
from glassgpu.systems.system import System, require_box, smooth_coefficients
from glassgpu.types import Snapshot

INSTALL = "conda install -c conda-forge hoomd"
HELP = (
    f"HOOMD-blue comes from conda-forge, not from pip: '{INSTALL}', or 'micromamba install -c conda-forge hoomd'; for a GPU "
    "'CONDA_OVERRIDE_CUDA=12.9 micromamba install -c conda-forge \"hoomd=*=*gpu*\"'; MPI needs a build from source with ENABLE_MPI=on. "
    "Then install glassgpu into the same environment; 'glassgpu doctor' tells what is there"
)
BINS = 2**16  # of a table
LEAST_SKIN = 0.05  # below it lists are built at nearly every step
MESSAGE = 2**24  # numbers: MPI counts bytes in 31 bits
SORT_EVERY = 200  # steps, HOOMD's default
SEED_BITS, STEP_BITS = 16, 39  # of HOOMD's random numbers: its seed, and the first steps that runs begin at
MOST_FIRE_STEP = 0.02  # time; the stiffest pairs of these mixtures would stand three times as much


def import_hoomd() -> Any:
    """The module.

    Raises:
        DeviceMissing: it is not there, or a build without molecular dynamics.
    """
    try:
        import hoomd
    except ImportError as error:
        raise DeviceMissing(f"backend='hoomd': HOOMD-blue cannot be imported ({error}). {HELP}") from error
    if not hoomd.version.md_built:
        raise DeviceMissing(f"backend='hoomd': this build of HOOMD-blue is without molecular dynamics (hoomd.md). {HELP}")
    return hoomd


def place_of(backend: str, threads: int | None = None) -> Cpu | Cuda:
    """``launch.target``, which knows HOOMD-blue too.

    Raises:
        InvalidInput: ``threads`` beside HOOMD-blue.
        As ``launch.target``.
    """
    if backend != "hoomd":
        return target(backend, threads)
    if threads is not None:
        raise InvalidInput(f"threads={threads}: HOOMD-blue uses one core for each MPI rank; start the script by 'mpirun -n 2 python ...'")
    return hoomd_place()


@cache
def hoomd_place() -> Hoomd:
    """The one ``Hoomd`` of this process.

    Raises:
        DeviceMissing
    """
    return Hoomd()


class Hoomd(Cpu):
    """Where HOOMD-blue runs: a GPU where it finds one, else the CPU; all ranks of ``mpirun`` together.

    Arrays around it are NumPy's. Under MPI every rank makes the same calls; rank 0 alone holds states and records,
    and ``share`` hands on what all need.

    Attributes:
        precision: ``"double"`` or ``"single"``, of positions and forces, as HOOMD was built.
        rank, ranks: of MPI; 0 and 1 without it.
    """

    name = "hoomd"

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.hoomd = import_hoomd()
        self.about = {"hoomd_version": self.hoomd.version.version}
        self.precision = "double" if self.hoomd.version.floating_point_precision[0] == 64 else "single"
        self.device = self.hoomd.device.auto_select(notice_level=0)
        self.rank, self.ranks = self.device.communicator.rank, self.device.communicator.num_ranks
        if self.ranks > 1:
            try:
                from mpi4py import MPI
            except ImportError as error:
                raise DeviceMissing(f"HOOMD-blue on {self.ranks} MPI ranks needs mpi4py ({error}): 'pip install mpi4py'") from error
            self._all = MPI.COMM_WORLD

    def rows_at_once(self, particles: int) -> int:
        return 1

    def share(self, value: Any) -> Any:
        """What rank 0 has, on every rank."""
        return self._all.bcast(value, root=0) if self.ranks > 1 else value

    def leads(self) -> bool:
        """Whether this rank is the one that writes files; told when all ranks have come here."""
        if self.ranks > 1:
            self._all.Barrier()
        return self.rank == 0

    def share_into(self, values: np.ndarray) -> None:
        """The same of an array of any size, in place."""
        flat = values.reshape(-1)
        for first in range(0, len(flat) if self.ranks > 1 else 0, MESSAGE):
            self._all.Bcast(flat[first : first + MESSAGE], root=0)

    def require_precision(self, asked: str | None) -> str:
        """The precision of this build.

        Raises:
            InvalidInput: the other one is asked for.
        """
        if asked not in (None, self.precision):
            raise InvalidInput(
                f"precision={asked!r}: this build of HOOMD-blue computes in {self.precision} precision, which was chosen when it was "
                "compiled; leave precision= out"
            )
        return self.precision


def pair_forces(hoomd: Any, system: System, lists: Any) -> list[Any]:
    """The pair law of a system as HOOMD's forces, which share neighbour lists (see the head of this file)."""
    species = range(len(system.species))
    pairs = [(a, b) for a in species for b in species if a <= b]
    names = {(a, b): (system.species[a], system.species[b]) for a, b in pairs}
    if system.law == "shifted":
        law = hoomd.md.pair.LJ(lists, mode="shift")
        for pair, key in names.items():
            law.params[key] = {"epsilon": float(system.epsilon[pair]), "sigma": float(system.sigma[pair])}
            law.r_cut[key] = float(system.cutoff[pair])
        return [law]
    to_zero, plain, tail = hoomd.md.pair.LJ(lists, mode="shift"), hoomd.md.pair.LJ(lists, mode="none"), hoomd.md.pair.Table(lists)
    for pair, key in names.items():
        sigma, epsilon, inner, cutoff = (float(table[pair]) for table in (system.sigma, system.epsilon, system.inner, system.cutoff))
        constant, *quartic = smooth_coefficients(sigma, epsilon, inner, cutoff)
        share = constant / (constant - quartic[0])  # of LJ, whose shift by its value at the inner radius is the constant
        to_zero.params[key] = {"epsilon": share * epsilon, "sigma": sigma}
        plain.params[key] = {"epsilon": (1 - share) * epsilon, "sigma": sigma}
        to_zero.r_cut[key] = plain.r_cut[key] = inner
        beyond = np.linspace(0, cutoff - inner, BINS, endpoint=False)
        energy = np.polynomial.Polynomial(quartic)
        tail.params[key] = {"r_min": inner, "U": energy(beyond), "F": -energy.deriv()(beyond)}
        tail.r_cut[key] = cutoff
    return [to_zero, plain, tail]


def fitting_skin(system: System, box: np.ndarray, skin: float) -> float:
    """The skin, or what the box leaves for it: HOOMD wants boxes longer than twice the reach of its lists.

    Raises:
        BoxTooSmall: less than 0.05 is left.
    """
    reach = float(system.cutoff.max())
    density = sum(system.counts) / float(np.prod(system.box))
    require_box(box, reach + LEAST_SKIN, density, f"HOOMD-blue's neighbour lists beyond the cut-off of {system.name}")
    return min(skin, (float(box.min()) / 2 - reach) * (1 - 1e-6))


class Simulator:
    """A HOOMD simulation of one configuration, which can be set to any state of it, advanced and read.

    What follows after ``begin`` depends on what it is given alone, not on what was run before: that makes an
    interrupted run go on with the same numbers.

    Args:
        place: where.
        system, snapshot: species and box; ``order`` is that of the particles in all arrays handed in and out.
        skin: HOOMD's ``buffer`` [length].
        method: ``"nose_hoover"``, ``"langevin"``, None (constant energy), or ``"fire"``.
        dt: time step, of FIRE the largest.
        time: of the thermostat.
        tolerance: of FIRE: it goes on until no force can be larger.
        key: 64 random bits of a replica.
        step: steps of the replica that are done.
    """

    BATH: ClassVar[int] = 2  # numbers of a thermostat's state

    def __init__(
        self,
        place: Hoomd,
        system: System,
        snapshot: Snapshot,
        order: np.ndarray,
        skin: float,
        method: str | None = None,
        dt: float = 0.005,
        time: float = 0.5,
        tolerance: float = 0.0,
        key: int = 0,
        step: int = 0,
    ):
        self.place, self.system, self.box, self.method = place, system, snapshot.box, method
        self.types = snapshot.types[order]
        # A quench has no masses: FIRE's forces are accelerations.
        self.mass = np.ones(snapshot.n) if method == "fire" else system.mass[self.types]
        hoomd = place.hoomd
        self.simulation = hoomd.Simulation(device=place.device, seed=key % 2**SEED_BITS)
        self.simulation.timestep = first_step(key, step, method)
        at = snapshot.positions[order].T
        self.simulation.create_state_from_snapshot(self._snapshot(at, np.zeros_like(at)))
        skin = fitting_skin(system, snapshot.box, skin)
        self._require_wide_domains(float(system.cutoff.max()) + skin)
        self.lists = hoomd.md.nlist.Cell(buffer=skin, deterministic=True)
        self.forces = pair_forces(hoomd, system, self.lists)
        every = hoomd.filter.All()
        self.bath = None
        if method == "langevin":
            moves = hoomd.md.methods.Langevin(filter=every, kT=1.0)
            for name, mass in zip(system.species, system.mass.tolist(), strict=True):
                moves.gamma[name] = mass / time
        else:
            self.bath = hoomd.md.methods.thermostats.MTTK(kT=1.0, tau=time) if method == "nose_hoover" else None
            moves = hoomd.md.methods.ConstantVolume(filter=every, thermostat=self.bath)
        self.moves = moves
        if method == "fire":
            # Its norm is over all coordinates, so below this no single force is above the tolerance.
            rms = tolerance / math.sqrt(snapshot.positions.size)
            self.integrator = hoomd.md.minimize.FIRE(
                dt=dt, force_tol=rms, angmom_tol=1.0, energy_tol=np.finfo(np.float32).max, forces=self.forces, methods=[moves]
            )
        else:
            self.integrator = hoomd.md.Integrator(dt=dt, forces=self.forces, methods=[moves])
        self.simulation.operations.integrator = self.integrator
        self.quantities = hoomd.md.compute.ThermodynamicQuantities(filter=every)
        self.simulation.operations.computes.append(self.quantities)
        self.simulation.run(0)

    def _require_wide_domains(self, reach: float) -> None:
        """Raise if MPI ranks would share the box in parts too narrow for lists that reach so far."""
        if self.place.ranks > 1:
            width = float(
                min(side / parts for side, parts in zip(self.box, self.simulation.state.domain_decomposition, strict=False) if parts > 1)
            )
            if width <= 2 * reach:
                raise BoxTooSmall(
                    f"{self.place.ranks} MPI ranks share the box in parts {width:.4g} wide, which must be above {2 * reach:.4g}, twice the "
                    "reach of neighbour lists; start fewer ranks, or take more particles or a smaller skin="
                )

    def _snapshot(self, place: np.ndarray, velocity: np.ndarray) -> Any:
        """HOOMD's snapshot of unwrapped places and velocities, (d, N)."""
        out = self.place.hoomd.Snapshot(self.place.device.communicator)
        if self.place.rank == 0:
            d, n = place.shape
            image = np.floor(place / self.box[:, None] + 0.5)
            inside = np.clip(place - image * self.box[:, None], -self.box[:, None] / 2, self.box[:, None] / 2)
            out.configuration.box = [*self.box.tolist(), *[0.0] * (6 - d)]
            out.particles.N = n
            out.particles.types = list(self.system.species)
            out.particles.typeid[:] = self.types
            out.particles.mass[:] = self.mass
            for name, values in (("position", inside), ("velocity", velocity), ("image", image)):
                getattr(out.particles, name)[:, :d] = values.T
        return out

    def begin(
        self, place: np.ndarray, velocity: np.ndarray, bath: np.ndarray, temperatures: tuple[float, float] = (1.0, 1.0), steps: int = 1
    ) -> None:
        """Set to a state: unwrapped places and velocities, (d, N), and the thermostat's own; the bath's temperature goes
        from the first to the second, linearly in the ``steps`` that follow."""
        hoomd, simulation = self.place.hoomd, self.simulation
        simulation.state.set_snapshot(self._snapshot(place, velocity))
        now = simulation.timestep
        for tuner in simulation.operations.tuners:
            if isinstance(tuner, hoomd.tune.ParticleSorter):
                tuner.trigger = hoomd.trigger.Periodic(SORT_EVERY, phase=now % SORT_EVERY)
        first, last = temperatures
        if self.method == "fire":
            self.integrator.reset()
        elif self.method is not None:
            kT = first if first == last else hoomd.variant.Ramp(A=first, B=last, t_start=now, t_ramp=steps)
            (self.bath or self.moves).kT = kT
        if self.bath:
            self.bath.translational_dof = tuple(bath.tolist())

    def run(self, steps: int) -> int:
        """Advance; returns how often lists were built."""
        self.simulation.run(steps)
        return int(self.lists.num_builds)

    def totals(self) -> np.ndarray:
        """Of the whole system: potential and kinetic energy, virial, and the bath's energy, (4,)."""
        self.simulation.always_compute_pressure = True  # so that virials are computed now, and at no other step
        self.simulation.run(0)
        q = self.quantities
        kinetic, volume = q.kinetic_energy, float(self.box.prod())
        virial = q.pressure * self.system.dimension * volume - 2 * kinetic
        out = np.array([q.potential_energy, kinetic, virial, self.bath.energy if self.bath else 0.0])
        self.simulation.always_compute_pressure = False
        return out

    def state(self) -> dict[str, np.ndarray]:
        """``place`` and ``velocity``, (d, N), and ``bath``; on rank 0, elsewhere zeros."""
        found = self.simulation.state.get_snapshot()
        d, n = len(self.box), len(self.types)
        if self.place.rank:
            return {"place": np.zeros((d, n)), "velocity": np.zeros((d, n)), "bath": np.zeros(self.BATH)}
        particles = found.particles
        place = particles.position[:, :d] + particles.image[:, :d] * self.box
        bath = np.array(self.bath.translational_dof) if self.bath else np.zeros(self.BATH)
        return {"place": place.T.astype(float), "velocity": particles.velocity[:, :d].T.astype(float), "bath": bath}

    def each(self) -> tuple[np.ndarray, np.ndarray]:
        """Potential energy of each particle (N,) and the force on it (d, N), on every rank."""
        energies, forces = zip(*[(force.energies, force.forces) for force in self.forces], strict=True)
        if self.place.rank == 0:
            found = np.sum(energies, axis=0), np.sum(forces, axis=0).T[: len(self.box)]
        return self.place.share(found if self.place.rank == 0 else None)


def first_step(key: int, step: int, method: str | None) -> int:
    """The time step that HOOMD counts ``step`` of a replica as. HOOMD's random numbers are a function of its seed, 16 bits, and of
    the lowest 40 of the time step: the seed takes 16 bits of a replica's key, the first step 39 others."""
    return step + ((key >> SEED_BITS) % 2**STEP_BITS if method == "langevin" else 0)


def particle_log(quantities: Mapping[str, np.ndarray | Callable[[], np.ndarray]]) -> Any:
    """A ``hoomd.logging.Logger`` that writes numbers of each particle into every frame of a ``hoomd.write.GSD``.

    They become the chunks ``log/particles/glassgpu/<name>``, as those of ``io.write_gsd(log=...)``, from the first frame
    on: a chunk that frame 0 lacks makes a file invalid. OVITO, freud and gsd read them::

        logger = particle_log({"propensity": ensemble.propensity.sel(time=10).values, "softness": lambda: softness_now()})
        simulation.operations.writers.append(hoomd.write.GSD(trigger=1000, filename="run.gsd", mode="xb", logger=logger))

    Args:
        quantities: by name, (N,) or (N, k) in the order of the particles; or functions that return such
            arrays, called at each frame.

    Raises:
        InvalidInput: a value that is neither.
        DeviceMissing
    """
    logger = import_hoomd().logging.Logger()
    for name, given in quantities.items():
        if not callable(given) and np.ndim(given) not in (1, 2):
            raise InvalidInput(f"{name}={given!r:.60}: give an array with a row for each particle, or a function that returns one")
        logger[("glassgpu", name)] = (given if callable(given) else partial(np.asarray, given), "particle")
    return logger
