"""Which few of many columns carry what they all do."""

from glassgpu.names import explain_missing
from glassgpu.selection.greedy import Selection, added_noise, greedy_selection
from glassgpu.selection.imbalance import information_imbalance

__all__ = [
    "Selection",
    "added_noise",
    "greedy_selection",
    "information_imbalance",
]

explain_missing(globals())
