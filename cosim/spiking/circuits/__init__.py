"""Circuits that come with the package, one a file; importing this registers them."""

from cosim.spiking.circuits import balanced_ei as balanced_ei
from cosim.spiking.circuits import basal_ganglia as basal_ganglia
from cosim.spiking.circuits import calcium_sk as calcium_sk
from cosim.spiking.circuits import cortico_thalamic as cortico_thalamic
from cosim.spiking.circuits import pyramidal_morphology as pyramidal_morphology
from cosim.spiking.circuits import wong_wang as wong_wang
