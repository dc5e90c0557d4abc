"""Studies: folders of stages that are run once, stored, and continued after anything."""

from glassgpu.study.stages import Result, Study

__all__ = ["Result", "Study"]
