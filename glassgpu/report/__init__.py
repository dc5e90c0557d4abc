"""Reports: one self-contained HTML page with pictures and numbers; pictures of a configuration, still and interactive."""

from glassgpu.names import explain_missing
from glassgpu.report.figures import maps
from glassgpu.report.page import Page
from glassgpu.report.view import view

__all__ = ["Page", "maps", "view"]

explain_missing(globals())
