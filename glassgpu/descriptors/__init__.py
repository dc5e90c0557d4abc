"""What stands around each particle, one file per descriptor."""

from glassgpu.descriptors.behler_parrinello import BehlerParrinello
from glassgpu.descriptors.coarse_grain import coarse_grain
from glassgpu.descriptors.descriptor import Descriptor
from glassgpu.descriptors.jbb import JBB
from glassgpu.descriptors.local_density import local_density, volume_fraction
from glassgpu.descriptors.shell_average import shell_average
from glassgpu.descriptors.shell_expansion import ShellExpansion
from glassgpu.descriptors.slo import SLO
from glassgpu.descriptors.softness import Softness
from glassgpu.names import explain_missing

__all__ = [
    "JBB",
    "SLO",
    "BehlerParrinello",
    "Descriptor",
    "ShellExpansion",
    "Softness",
    "coarse_grain",
    "local_density",
    "shell_average",
    "volume_fraction",
]

explain_missing(globals())
