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
from glassgpu.selection.greedy import Selection, added_noise, greedy_selection
from glassgpu.selection.imbalance import information_imbalance
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
    "Selection",
    "TwoFeatures",
    "added_noise",
    "condition_number",
    "correlation_matrix",
    "effective_thresholds",
    "eigenvalues",
    "greedy_selection",
    "information_criteria",
    "information_imbalance",
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
