"""Models with scikit-learn's interface."""

from glassgpu.models.moments import Moments
from glassgpu.models.ridge import Ridge, ridge_path
from glassgpu.names import explain_missing

__all__ = ["Moments", "Ridge", "ridge_path"]

explain_missing(globals())
