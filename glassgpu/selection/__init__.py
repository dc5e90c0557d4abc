"""Which few of many columns carry what they all do, and how far weights can be believed."""

from glassgpu.names import explain_missing
from glassgpu.selection.conditioning import (
    RidgeTrace,
    TwoFeatures,
    condition_number,
    correlation_matrix,
    effective_thresholds,
    eigenvalues,
    information_criteria,
    pearson_vector,
    ridge_pearson,
    ridge_trace,
    variance_inflation,
)
from glassgpu.selection.linear_selection import (
    LassoSelection,
    lasso_selection,
    minimum_redundancy,
    random_selection,
    recursive_elimination,
)

__all__ = [
    "LassoSelection",
    "RidgeTrace",
    "TwoFeatures",
    "condition_number",
    "correlation_matrix",
    "effective_thresholds",
    "eigenvalues",
    "information_criteria",
    "lasso_selection",
    "minimum_redundancy",
    "pearson_vector",
    "random_selection",
    "recursive_elimination",
    "ridge_pearson",
    "ridge_trace",
    "variance_inflation",
]

explain_missing(globals())
