"""What stands around each particle, one file per descriptor."""

from glassgpu.descriptors.coarse_grain import coarse_grain
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.descriptors.shell_average import shell_average
from glassgpu.descriptors.shell_expansion import ShellExpansion
from glassgpu.names import explain_missing

__all__ = ["Descriptor", "ShellExpansion", "coarse_grain", "shell_average"]

explain_missing(globals())
