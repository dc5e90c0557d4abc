"""From scores of local structure to an energy landscape: P(R | S), barriers, the onset temperature, and how much is explained."""

from glassgpu.landscape.along import groups_by_score, scores_along
from glassgpu.landscape.barriers import Barriers, LinearBarriers, fit_barriers
from glassgpu.landscape.controls import random_hyperplane, shuffled
from glassgpu.landscape.divergence import jensen_shannon
from glassgpu.landscape.latent_share import LatentShare, explained_by_likelihood
from glassgpu.landscape.memory import Contrast, CycleMemory, contrast, cycle_memory
from glassgpu.landscape.onset import Onset, onset_temperature
from glassgpu.landscape.probability import RearrangementProbability, joined, rearrangement_probability
from glassgpu.landscape.shared_errors import shared_chi2
from glassgpu.landscape.trap_model import Recovery, TrapEnsemble, TrapModel, recover, trap_ensemble
from glassgpu.landscape.variance import VarianceShare, eta, explained_variance
from glassgpu.landscape.z_scores import BiasScan, ZScore, bias_scan, z_score
from glassgpu.names import explain_missing

__all__ = [
    "Barriers",
    "BiasScan",
    "Contrast",
    "CycleMemory",
    "LatentShare",
    "LinearBarriers",
    "Onset",
    "RearrangementProbability",
    "Recovery",
    "TrapEnsemble",
    "TrapModel",
    "VarianceShare",
    "ZScore",
    "bias_scan",
    "contrast",
    "cycle_memory",
    "eta",
    "explained_by_likelihood",
    "explained_variance",
    "fit_barriers",
    "groups_by_score",
    "jensen_shannon",
    "joined",
    "onset_temperature",
    "random_hyperplane",
    "rearrangement_probability",
    "recover",
    "scores_along",
    "shared_chi2",
    "shuffled",
    "trap_ensemble",
    "z_score",
]

explain_missing(globals())
