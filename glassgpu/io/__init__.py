"""Data from elsewhere."""

from glassgpu.io.bapst import read_bapst
from glassgpu.io.botan import read_botan
from glassgpu.names import explain_missing

__all__ = ["read_bapst", "read_botan"]

explain_missing(globals())
