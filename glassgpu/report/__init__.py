"""Reports: one self-contained HTML page with pictures and numbers."""

from glassgpu.report.page import Page

__all__ = ["Page"]
