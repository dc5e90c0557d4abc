"""Data from elsewhere."""

from glassgpu.io.bapst import read_bapst
from glassgpu.io.botan import read_botan

__all__ = ["read_bapst", "read_botan"]
