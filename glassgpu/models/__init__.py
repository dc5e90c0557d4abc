"""Models with scikit-learn's interface."""

from glassgpu.models.binomial import BinomialFit, binomial_fit
from glassgpu.models.elastic_net import ElasticNet, ElasticNetPath, Lasso, elastic_net_path
from glassgpu.models.factor import Factor
from glassgpu.models.graph_network import GraphNetwork
from glassgpu.models.hyperplane import Hyperplane, cosine
from glassgpu.models.kernel_svr import KernelSVR
from glassgpu.models.least_squares import LeastSquares
from glassgpu.models.mlp import MLPRegressor, hidden_width
from glassgpu.models.moments import Moments
from glassgpu.models.principal_components import PrincipalComponentRegression
from glassgpu.models.ridge import Ridge, ridge_path, ridge_paths
from glassgpu.models.saved import load_network, save_network
from glassgpu.models.stored import moments_of_columns
from glassgpu.models.support_vectors import LinearSVC, LinearSVR
from glassgpu.models.together import fit_together
from glassgpu.names import explain_missing

__all__ = [
    "BinomialFit",
    "ElasticNet",
    "ElasticNetPath",
    "Factor",
    "GraphNetwork",
    "Hyperplane",
    "KernelSVR",
    "Lasso",
    "LeastSquares",
    "LinearSVC",
    "LinearSVR",
    "MLPRegressor",
    "Moments",
    "PrincipalComponentRegression",
    "Ridge",
    "binomial_fit",
    "cosine",
    "elastic_net_path",
    "fit_together",
    "hidden_width",
    "load_network",
    "moments_of_columns",
    "ridge_path",
    "ridge_paths",
    "save_network",
]

explain_missing(globals())
