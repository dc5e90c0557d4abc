"""Labels: what moves, and how sure one can be of it; and what a liquid does on average."""

from glassgpu.dynamics.cage import InitialNeighbors, bond_breaking, cage_relative, initial_neighbors
from glassgpu.dynamics.contact import MixtureTheory, contact_values, mixture_theory
from glassgpu.dynamics.displacement import displacements, propensity
from glassgpu.dynamics.events import Examples, balanced_examples, extreme_limits, hop_events, quiet_limit, quiet_spells
from glassgpu.dynamics.fits import Arrhenius, VogelFulcherTammann, fit_arrhenius, fit_vogel_fulcher_tammann
from glassgpu.dynamics.hops import Hops, cumulative_squared_displacement, p_hop
from glassgpu.dynamics.observables import (
    Observe,
    chi4,
    mean_squared_displacement,
    non_gaussian,
    overlap,
    relaxation_time,
    self_intermediate_scattering,
    van_hove,
)
from glassgpu.dynamics.rearrangement import (
    logit,
    logit_ceiling,
    logit_normal,
    logit_reliability,
    logit_variance,
    probability_interval,
    structural_variance,
)
from glassgpu.dynamics.reliability import ensemble_moments, noise_ceiling, reliability
from glassgpu.dynamics.scores import Scores
from glassgpu.names import explain_missing

__all__ = [
    "Arrhenius",
    "Examples",
    "Hops",
    "InitialNeighbors",
    "MixtureTheory",
    "Observe",
    "Scores",
    "VogelFulcherTammann",
    "balanced_examples",
    "bond_breaking",
    "cage_relative",
    "chi4",
    "contact_values",
    "cumulative_squared_displacement",
    "displacements",
    "ensemble_moments",
    "extreme_limits",
    "fit_arrhenius",
    "fit_vogel_fulcher_tammann",
    "hop_events",
    "initial_neighbors",
    "logit",
    "logit_ceiling",
    "logit_normal",
    "logit_reliability",
    "logit_variance",
    "mean_squared_displacement",
    "mixture_theory",
    "noise_ceiling",
    "non_gaussian",
    "overlap",
    "p_hop",
    "probability_interval",
    "propensity",
    "quiet_limit",
    "quiet_spells",
    "relaxation_time",
    "reliability",
    "self_intermediate_scattering",
    "structural_variance",
    "van_hove",
]

explain_missing(globals())
