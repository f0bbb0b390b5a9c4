"""The basal ganglia, thalamus and cortex of a control and of a Parkinson patient."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.errors import ConfigurationError
from cosim.registry import unknown_name
from cosim.spiking.circuits.electrode import electrode
from cosim.spiking.interpreter import netpyne_specs
from cosim.spiking.library import register_circuit

_EXCITATORY = ("CxE", "STN", "Thl")
_CORTEX = ("CxE", "CxI")
_DT_MS = 0.1
# One step. On several ranks NEURON refuses a delay that is not longer than its step; this one
# arrives in the same step.
_DELAY_MS = 0.1001
_SENDS_AT_MV = 10.0
_FITTED_CELLS = 200
_FEWEST_CELLS = 20


@dataclass(frozen=True)
class _Cells:
    """One population: its size as a multiple of ``scale``, and what differs between cell types."""

    size: float
    a: float
    b: float
    c: float
    d: float
    Ie: float
    C: float = 1.0
    n0: float = 140.0
    n1: float = 5.0
    n2: float = 0.04
    Vr: float = 0.0
    thr: float = 30.0
    V_init: float = -70.0
    u_init: float = -18.55

    def parameters(self) -> dict[str, float]:
        """What the mechanism takes."""
        return {name: value for name, value in vars(self).items() if name != "size"}


_STRIATUM = _Cells(
    1.0, 0.05, -20.0, -55.0, 377.0, 0.0,
    C=50.0, n0=61.65119, n1=2.594639, n2=0.022799, Vr=-80.0, thr=40.0,
)  # fmt: skip
_POPULATIONS = {
    "dSN": _STRIATUM,
    "iSN": _STRIATUM,
    "GPi": _Cells(1.0, 0.005, 0.585, -65.0, 4.0, 30.0),
    "GPe": _Cells(1.0, 0.005, 0.585, -65.0, 4.0, 12.0),
    "STN": _Cells(1.0, 0.005, 0.265, -65.0, 2.0, 3.0),
    "Thl": _Cells(1.0, 0.02, 0.25, -65.0, 0.05, 3.5),
    "CxE": _Cells(3.0, 0.02, 0.2, -72.0, 6.0, 7.0, V_init=-72.0, u_init=-14.0),
    "CxI": _Cells(0.75, 0.02, 0.2, -72.0, 6.0, 0.0, V_init=-72.0, u_init=-14.0),
}

# Probability and weight (1/ms per spike) of each connection, as fitted to the resting-state BOLD
# of one control and of one patient.
_CONNECTIONS = {
    #                   control              patient
    ("dSN", "GPi"): (0.123194, 0.008834, 0.178595, 0.008694),
    ("iSN", "GPe"): (0.389998, 0.008038, 0.335189, 0.008090),
    ("GPe", "STN"): (0.217712, 0.006175, 0.165056, 0.005997),
    ("STN", "GPe"): (0.383672, 0.011368, 0.396223, 0.011260),
    ("STN", "GPi"): (0.250594, 0.012952, 0.248959, 0.012729),
    ("GPe", "GPi"): (0.299253, 0.007934, 0.325257, 0.006170),
    ("GPe", "GPe"): (0.354797, 0.005427, 0.323254, 0.006766),
    ("GPi", "GPi"): (0.332696, 0.012582, 0.337174, 0.012161),
    ("GPi", "Thl"): (0.207018, 0.006948, 0.245789, 0.007014),
    ("Thl", "iSN"): (0.132695, 0.005984, 0.133440, 0.005992),
    ("Thl", "dSN"): (0.100186, 0.011551, 0.120551, 0.012070),
    ("dSN", "dSN"): (0.487473, 0.008960, 0.434551, 0.007630),
    ("iSN", "iSN"): (0.245726, 0.014250, 0.223545, 0.014118),
    ("CxE", "dSN"): (0.173195, 0.009480, 0.191271, 0.009465),
    ("CxE", "iSN"): (0.100733, 0.011297, 0.100124, 0.010656),
    ("CxE", "STN"): (0.148394, 0.013793, 0.174613, 0.013258),
    ("CxE", "CxI"): (0.422553, 0.008730, 0.408599, 0.009128),
    ("CxI", "CxE"): (0.204180, 0.012367, 0.213091, 0.011873),
    ("CxI", "CxI"): (0.326365, 0.009616, 0.337033, 0.009704),
}


# Where an experiment names none; set for a brain with normalize: region and G 0.2 (at another G
# divide rate_scale by as much: examples/deep_brain_stimulation). A cell here rests at 16 to 36 Hz,
# a region of the mean field at 3 to 4 Hz; the weights of the outputs make a replaced region felt as
# before while it rests. They are for one region; populations that stand in several need an output
# for each.
_INPUTS = tuple(
    {
        "from": "R_e",
        "to": population,
        "receptor": "ampa",
        "coupling": "aggregated",
        "rate_scale": 500.0,
        "weight_uS": weight,
    }
    for population, weight in (("dSN", 0.00948), ("iSN", 0.011297), ("CxE", 0.00948))
)
_OUTPUTS = ({"from": {"CxE": 0.2}, "to": "R_e"}, {"from": {"CxI": 0.12}, "to": "R_i"})


@register_circuit(
    "basal_ganglia",
    paper="Maith et al. 2021, Eur. J. Neurosci. 53:2278, doi:10.1111/ejn.14868; Meier et al. "
    "2022, Exp. Neurol. 354:114111, doi:10.1016/j.expneurol.2022.114111",
    mechanisms=Path(__file__).parent / "mechanisms" / "basal_ganglia",
    inputs=_INPUTS,
    outputs=_OUTPUTS,
    cpu_s_per_s=4.0,
)
def basal_ganglia(
    condition: str = "control",
    cortex: str = "spiking",
    cells: int = 200,
    cortex_current: float = 7.0,
    stimulation: Mapping[str, Any] | None = None,
) -> Any:
    """Striatum, pallidum, subthalamic nucleus, thalamus and cortex of a control or a patient.

    Izhikevich cells, all of a population alike, joined with fixed probabilities: direct (``dSN``)
    and indirect (``iSN``) striatal neurons, ``GPi``, ``GPe``, ``STN``, thalamus (``Thl``) and,
    unless the cortex is the brain's, ``CxE`` and ``CxI``. Receptors ``ampa`` and ``gaba``, whose
    weights are conductances in 1/ms, 0.005 to 0.015. dt is 0.1 ms, in which a published Euler step
    of an upstroke is late by one; here it is a Runge-Kutta step.

    A spike is sent when V passes 10 mV, NetPyNE's threshold, and resets the cell at 30 or 40 mV.
    The publication sends it at the reset, and it arrives in the same step. NEURON needs a delay,
    of 0.1 ms, and the rise from 10 to 30 mV takes 0.08 ms of it back: with a true delay of 0.1 ms
    the thalamus, which is sensitive to it, would be a tenth faster.

    ``CxE`` gets 7 mV/ms. The weights were fitted with 50, with which the cortex fires at 54 Hz and
    the rates are not the published ones at rest.

    Args:
        condition: ``control`` or ``patient``: whose probabilities and weights.
        cortex: ``spiking``: with CxE and CxI; ``none``: without, for a cortex in the brain.
        cells: Cells of a subcortical population; CxE has 3 times and CxI 0.75 times as many.
            Weights scale with 200 / cells, which keeps the mean input; fewer cells fluctuate more.
        cortex_current: Constant drive of CxE, mV/ms.
        stimulation: An electrode, such as ``{site: STN, rate_hz: 130, amplitude: 20,
            pulse_width_ms: 0.3, start_ms: 500}`` or ``{site: GPi, current: -10}``; further
            ``shape`` (biphasic | monophasic) and ``stop_ms``.

    Returns:
        NetPyNE netParams and simConfig.

    Raises:
        ConfigurationError: If an argument is not one of these.

    References:
        Maith et al. (2021) Eur. J. Neurosci. 53:2278-2295, doi:10.1111/ejn.14868: cells, and the
        fit to BOLD. Meier et al. (2022) Exp. Neurol. 354:114111,
        doi:10.1016/j.expneurol.2022.114111: in the brain, and its stimulation.
    """
    _check(condition, cortex, cells, cortex_current)
    specs = netpyne_specs()
    names = [n for n in _POPULATIONS if cortex == "spiking" or n not in _CORTEX]
    site, electrode_parameters = electrode(stimulation, names)
    net_params = specs.NetParams()
    for name in names:
        kind = _POPULATIONS[name]
        point = {
            "mod": "IzhikevichAmpaGaba",
            "vref": "V",
            "synList": ["ampa", "gaba"],
            **kind.parameters(),
            **({"Ie": cortex_current} if name == "CxE" else {}),
            **(electrode_parameters if name == site else {}),
        }
        net_params.cellParams[name] = {
            "secs": {
                "soma": {
                    "geom": {"L": 10.0, "diam": 10.0},
                    "pointps": {"izhikevich": point},
                    "threshold": _SENDS_AT_MV,
                }
            }
        }
        net_params.popParams[name] = {"cellType": name, "numCells": round(kind.size * cells)}
    column = 0 if condition == "control" else 2
    for (pre, post), fitted in _CONNECTIONS.items():
        if pre in names and post in names:
            net_params.connParams[f"{pre}->{post}"] = {
                "preConds": {"pop": pre},
                "postConds": {"pop": post},
                "probability": fitted[column],
                "weight": fitted[column + 1] * (_FITTED_CELLS / cells),
                "delay": _DELAY_MS,
                "synMech": "ampa" if pre in _EXCITATORY else "gaba",
            }
    config = specs.SimConfig()
    config.dt = _DT_MS
    return net_params, config


def _check(condition: str, cortex: str, cells: int, cortex_current: float) -> None:
    problems = []
    for name, value, allowed in (
        ("condition", condition, ("control", "patient")),
        ("cortex", cortex, ("spiking", "none")),
    ):
        if value not in allowed:
            problems.append(f"basal_ganglia: {name}: {unknown_name('value', str(value), allowed)}")
    if isinstance(cells, bool) or not isinstance(cells, int) or cells < _FEWEST_CELLS:
        problems.append(
            f"basal_ganglia: cells = {cells!r} is not a whole number >= {_FEWEST_CELLS}, below "
            f"which cells are left without input; 200 is the published size."
        )
    if not math.isfinite(cortex_current):
        problems.append(
            f"basal_ganglia: cortex_current = {cortex_current!r} is not finite; 7 is the value at "
            f"rest, 50 that of the fit, mV/ms."
        )
    if problems:
        raise ConfigurationError(*problems)
