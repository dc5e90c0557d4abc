"""Reports: one self-contained HTML page with pictures and numbers."""

from glassgpu.names import explain_missing
from glassgpu.report.page import Page

__all__ = ["Page"]

explain_missing(globals())
