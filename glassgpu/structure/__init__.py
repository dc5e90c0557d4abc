"""What stands where: neighbours, inherent and cage states, correlations, crystals."""

from glassgpu.names import explain_missing
from glassgpu.structure.bond_order import LongRangeOrder, bond_order, long_range_order
from glassgpu.structure.correlations import radial_distribution, structure_factor
from glassgpu.structure.crystal import largest_crystalline_cluster
from glassgpu.structure.inherent_frames import inherent_frames
from glassgpu.structure.neighbors import Neighbors, coordination_number, neighbors
from glassgpu.structure.states import cage_state, inherent_structure
from glassgpu.structure.steric_order import steric_order
from glassgpu.structure.voronoi import VoronoiCells, radical_voronoi

__all__ = [
    "LongRangeOrder",
    "Neighbors",
    "VoronoiCells",
    "bond_order",
    "cage_state",
    "coordination_number",
    "inherent_frames",
    "inherent_structure",
    "largest_crystalline_cluster",
    "long_range_order",
    "neighbors",
    "radial_distribution",
    "radical_voronoi",
    "steric_order",
    "structure_factor",
]

explain_missing(globals())
