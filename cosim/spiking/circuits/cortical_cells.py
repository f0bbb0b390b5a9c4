"""Single-compartment cells of real cortex, which several circuits use."""

from pathlib import Path
from typing import Any

from cosim.spiking.interpreter import load_mechanisms

_MECHANISMS = Path(__file__).parent / "mechanisms" / "cortical_cells"


def load_cortical_mechanisms() -> None:
    """Make the currents of these cells known to NEURON; compiles them the first time.

    Raises:
        ConfigurationError: If they cannot be compiled, or NEURON has one of their names already.
    """
    load_mechanisms(_MECHANISMS)


def regular_spiking_soma() -> dict[str, Any]:
    """NetPyNE's section of a regular-spiking cell: I_Na, I_Kd and I_M, which adapts; 36 degC.

    Numbers are those that the authors distribute with the paper (ModelDB 123623): leak 29 nS,
    membrane time constant 10 ms, potassium -100 mV, sodium 50 mV.

    References:
        Pospischil et al. (2008), Minimal Hodgkin-Huxley type models for different classes of
        cortical and thalamic neurons, Biol Cybern 99:427-441, doi:10.1007/s00422-008-0263-8.
    """
    soma = _soma(diameter_um=96.0, leak_S_cm2=1e-4, potassium_S_cm2=0.005)
    soma["mechs"]["pospischil_m"] = {"gbar": 7e-5, "taumax": 1000.0}
    return soma


def fast_spiking_soma() -> dict[str, Any]:
    """NetPyNE's section of a fast-spiking cell: I_Na and I_Kd; leak 21 nS, time constant 7 ms.

    References:
        As :func:`regular_spiking_soma`.
    """
    return _soma(diameter_um=67.0, leak_S_cm2=1.5e-4, potassium_S_cm2=0.01)


def _soma(diameter_um: float, leak_S_cm2: float, potassium_S_cm2: float) -> dict[str, Any]:
    return {
        "geom": {"L": diameter_um, "diam": diameter_um, "Ra": 100.0, "cm": 1.0},
        "mechs": {
            "pas": {"g": leak_S_cm2, "e": -70.0},
            "pospischil_nak": {"gnabar": 0.05, "gkbar": potassium_S_cm2, "vt": -55.0},
        },
        "ions": {"na": {"e": 50.0}, "k": {"e": -100.0}},
        "threshold": 0.0,
    }
