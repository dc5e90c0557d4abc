"""What stands where: neighbours."""

from glassgpu.structure.neighbors import Neighbors, neighbors

__all__ = ["Neighbors", "neighbors"]
