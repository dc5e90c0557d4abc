"""Labels: what moves, and how sure one can be of it."""

from glassgpu.dynamics.displacement import displacements, propensity
from glassgpu.dynamics.reliability import ensemble_moments, noise_ceiling, reliability

__all__ = ["displacements", "ensemble_moments", "noise_ceiling", "propensity", "reliability"]
