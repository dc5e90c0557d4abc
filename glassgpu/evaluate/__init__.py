"""Honest splits and scores, and claims judged by computed words."""

from glassgpu.evaluate.claims import Claim, Verdicts, claims_table, read_claims, verdict
from glassgpu.evaluate.importance import permutation_importance
from glassgpu.evaluate.ridge_folds import RidgeFolds, learning_curve, ridge_over_parts
from glassgpu.evaluate.scores import pearson, r2, report
from glassgpu.evaluate.split import split
from glassgpu.names import explain_missing

__all__ = [
    "Claim",
    "RidgeFolds",
    "Verdicts",
    "claims_table",
    "learning_curve",
    "pearson",
    "permutation_importance",
    "r2",
    "read_claims",
    "report",
    "ridge_over_parts",
    "split",
    "verdict",
]

explain_missing(globals())
