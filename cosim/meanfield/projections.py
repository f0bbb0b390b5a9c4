"""EEG, MEG and sEEG: TVB's own monitors with the sensors and lead fields of tvb-data.

Every sensor sees a weighted sum of one variable over the regions, averaged over the period. The
weight of a region is the lead field summed over the vertices of the cortical surface that belong
to it, as TVB does. The variable is the gating variable that regions feel (S_e, or S): it follows
the synaptic currents of pyramidal cells, which is what these signals come from, and it is known of
replaced regions too. TVB's monitors would project every variable of interest, rates in Hz included.

Where this departs from what TVB does by default, and why:

* No observation noise: TVB adds white noise of unit strength in arbitrary units, whatever the lead
  field. A user adds the noise of a device afterwards.
* TVB truncates period / dt to a whole number, so that 0.3 / 0.1 is 2 steps; here it is 3.
* Sensors without a lead field (triggers, reference coils) are left out; TVB gives zeros.
* tvb-data holds no projection for its 588 sEEG contacts. It is computed by the formula that TVB's
  iEEG monitor has for it, a dipole along the normal of each vertex in a homogeneous conductor.

References:
    Sanz-Leon et al. (2015) NeuroImage 111:385-430, doi:10.1016/j.neuroimage.2015.01.002.
    Sarvas (1987) Phys. Med. Biol. 32:11-22, doi:10.1088/0031-9155/32/1/004, eq. 12, for sEEG.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvb.datatypes.connectivity import Connectivity
from tvb.datatypes.projections import ProjectionSurfaceSEEG
from tvb.datatypes.region_mapping import RegionMapping
from tvb.datatypes.sensors import SensorsInternal
from tvb.datatypes.surfaces import CorticalSurface
from tvb.simulator import monitors as tvb_monitors

from cosim.meanfield.connectome import SHIPPED, Connectome

PROJECTED = ("eeg", "meg", "seeg")

# The connectome whose regions the projections of tvb-data are mapped to.
_MAPPED = "tvb76"
_REGION_MAPPING = "regionMapping_16k_76.txt"
_SURFACE = "cortex_16384.zip"
_SEEG_SENSORS = "seeg_588.txt"


def projection_problem(name: str, connectome: Connectome) -> str:
    """Why a connectome cannot be seen by a monitor; empty if it can.

    Args:
        name: ``eeg``, ``meg`` or ``seeg``.
        connectome: Its regions must be those that the lead fields are mapped to, in that order.
    """
    if connectome.regions == _mapped_regions():
        return ""
    return (
        f"brain.monitors.{name}: connectome {connectome.name!r} ({connectome.n_regions} regions) "
        f"has no lead field; tvb-data has one for the {len(_mapped_regions())} regions of "
        f"{_MAPPED} only. Take brain.connectome: {_MAPPED}, or remove the monitor."
    )


def build_projected(name: str, period_ms: float) -> Any:
    """A monitor of TVB, with sensors, projection and region mapping of tvb-data.

    Args:
        name: ``eeg``, ``meg`` or ``seeg``.
        period_ms: Sampling period, ms; a whole number of steps.
    """
    settings = {"period": period_ms, "obsnoise": None}
    if name != "seeg":
        kind = _EEG if name == "eeg" else _MEG
        return kind.from_file(rm_f_name=_REGION_MAPPING, **settings)
    monitor = _SEEG(sensors=SensorsInternal.from_file(_SEEG_SENSORS), **settings)
    surface = CorticalSurface.from_file(_SURFACE)
    surface.configure()
    lead_field = monitor.analytic(surface.vertices, surface.vertex_normals)
    monitor.projection = ProjectionSurfaceSEEG(projection_data=lead_field)
    monitor.region_mapping = RegionMapping.from_file(_REGION_MAPPING)
    return monitor


class _WholePeriods:
    """Mixed into TVB's monitors: whole periods, and only the sensors that have a lead field."""

    def config_for_sim(self, simulator: Any) -> None:
        """Configure TVB's monitor, of the variable that regions feel, and mend its step count."""
        self.variables_of_interest = np.array(simulator.model.cvar[:1], dtype=int)
        self._seen = np.isfinite(self.projection.projection_data).all(axis=1)  # type: ignore[attr-defined]
        super().config_for_sim(simulator)  # type: ignore[misc]
        self._period_in_steps = self.istep  # type: ignore[attr-defined]

    @property
    def labels(self) -> tuple[str, ...]:
        """Sensors that are recorded, in order; known once TVB has configured the monitor."""
        every = self.sensors.labels  # type: ignore[attr-defined]
        return tuple(str(label) for label in every[self._seen])

    def sample(self, step: int, state: NDArray[np.float64]) -> Any:
        """At whole periods time, ms, the middle of the period, and ``(1, n_sensors, 1)``."""
        sampled = super().sample(step, state)  # type: ignore[misc]
        return None if sampled is None else (sampled[0], sampled[1][:, self._seen])


class _EEG(_WholePeriods, tvb_monitors.EEG):
    """TVB's EEG."""


class _MEG(_WholePeriods, tvb_monitors.MEG):
    """TVB's MEG."""


class _SEEG(_WholePeriods, tvb_monitors.iEEG):
    """TVB's iEEG."""


@cache
def _mapped_regions() -> tuple[str, ...]:
    path = files("tvb_data").joinpath("connectivity", SHIPPED[_MAPPED])
    return tuple(str(label) for label in Connectivity.from_file(str(path)).region_labels)
