"""Long runs of hard spheres: conservation, equation of state, contact values, diffusion (``make validate``).

The bounds were written down before the runs that they judge.
"""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.systems.starts import closest_pair

pytestmark = pytest.mark.validate
QUIET = {"backend": "cpu", "progress": False}


def test_ten_million_collisions(figures):
    """Energy to 1e-12, momentum to rounding, no overlap deeper than 1e-9, at a packing fraction of 0.55."""
    system = gg.systems.hard_spheres(n=500, packing_fraction=0.55)
    run = gg.simulate.edmd(
        system, system.random_snapshot(1), temperature=1.0, times=np.arange(8, 641, 8.0), keep_positions=True, seed=5, **QUIET
    )
    assert run.collisions[0] > 1e7
    change = float(np.ptp(run.conserved[0]) / run.conserved[0, 0])
    momentum = float(np.abs(run.final.velocities.sum(axis=0)).max())
    pairs = [closest_pair(system, gg.Snapshot(x, run.final.types, run.final.box), 1.0) for x in run.positions[0]]
    overlap = max([1 - p[2] for p in pairs if p], default=0.0)
    figures(collisions=int(run.collisions[0]), energy_change=change, momentum=momentum, deepest_overlap=overlap)
    assert change < 1e-12
    assert momentum < 1e-10
    assert overlap < 1e-9


@pytest.mark.parametrize("packing", [0.2, 0.3, 0.4, 0.5])
def test_equation_of_state(packing, figures):
    """Pressure within 1 % of the mixture equation, contact values within 2 %."""
    system = gg.systems.hard_spheres(n=2000, packing_fraction=packing)
    starts = [system.random_snapshot(k) for k in range(2)]
    run = gg.simulate.edmd(system, starts, temperature=1.0, times=np.arange(20, 101, 10.0), seed=2, **QUIET)
    thermal = 2 * run.kinetic / (3 * (system.n - 1))
    found = (run.pressure / (system.density * thermal))[:, 0, 1:]
    theory = gg.dynamics.mixture_theory(system)
    contact = run.contact_values.mean(axis=(0, 1))
    figures(
        compressibility=float(found.mean()), error=float(found.std() / np.sqrt(found.size)), theory=theory.compressibility,
        contact=contact.tolist(), contact_in_theory=theory.contact.tolist(),
    )  # fmt: skip
    assert found.mean() == pytest.approx(theory.compressibility, rel=0.01)
    np.testing.assert_allclose(contact, theory.contact, rtol=0.02)


@pytest.mark.parametrize("packing", [0.45, 0.50])
def test_diffusion_beside_the_published_formula(packing, figures):
    """500 equal spheres: within 5 % of Speedy's formula, Mol. Phys. 62, 509 (1987), which describes systems of about 500 (Sigurgeirsson
    and Heyes, Mol. Phys. 101, 469 (2003)). A first form of this test took it for endless systems and found 2000 spheres 12 to
    15 % above what would then be expected of them."""
    system = gg.systems.hard_spheres(n=500, packing_fraction=packing, large=1.0)
    starts = [system.random_snapshot(k) for k in range(4)]
    observe = gg.dynamics.Observe(wavenumber=7.0)
    times = [20.0, 40.0, 60.0, 80.0, 100.0]
    run = gg.simulate.edmd(system, starts, temperature=1.0, times=times, replicas=4, observe=observe, seed=2, **QUIET)
    square = run.observables["mean_squared_displacement"].sel(species="L").mean(("configuration", "replica")).values
    diffusion = float(np.polyfit(times, square, 1)[0] / 6)
    n = system.density
    expected = 3 / 8 / np.sqrt(np.pi) / n * (1 - n / 1.09) * (1 + n**2 * (0.4 - 0.83 * n**2))
    crystal = max(gg.structure.largest_crystalline_cluster(s) for c in run.final for s in c)
    figures(diffusion=diffusion, speedy=float(expected), crystal=crystal)
    assert crystal < 0.02
    assert diffusion == pytest.approx(expected, rel=0.05)
