"""What stands around each particle, one file per descriptor."""

from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.descriptors.shell_average import shell_average
from glassgpu.descriptors.shell_expansion import ShellExpansion

__all__ = ["Descriptor", "ShellExpansion", "shell_average"]
