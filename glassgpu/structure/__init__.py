"""What stands where: neighbours, inherent and cage states, correlations, crystals."""

from glassgpu.names import explain_missing
from glassgpu.structure.correlations import radial_distribution, structure_factor
from glassgpu.structure.crystal import largest_crystalline_cluster
from glassgpu.structure.neighbors import Neighbors, neighbors
from glassgpu.structure.states import cage_state, inherent_structure

__all__ = [
    "Neighbors",
    "cage_state",
    "inherent_structure",
    "largest_crystalline_cluster",
    "neighbors",
    "radial_distribution",
    "structure_factor",
]

explain_missing(globals())
