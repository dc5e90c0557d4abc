"""Models with scikit-learn's interface."""

from glassgpu.models.moments import Moments
from glassgpu.models.ridge import Ridge, ridge_path

__all__ = ["Moments", "Ridge", "ridge_path"]
