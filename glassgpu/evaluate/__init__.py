"""Honest splits and scores."""

from glassgpu.evaluate.ridge_folds import RidgeFolds, ridge_over_parts
from glassgpu.evaluate.scores import pearson, r2, report
from glassgpu.evaluate.split import split
from glassgpu.names import explain_missing

__all__ = ["RidgeFolds", "pearson", "r2", "report", "ridge_over_parts", "split"]

explain_missing(globals())
