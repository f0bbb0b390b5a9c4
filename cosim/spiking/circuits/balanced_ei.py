"""The balanced excitatory-inhibitory node of single-compartment Hodgkin-Huxley cells."""

import math
from typing import Any

from cosim.errors import ConfigurationError
from cosim.registry import unknown_name
from cosim.spiking.circuits.cortical_cells import (
    fast_spiking_soma,
    load_cortical_mechanisms,
    regular_spiking_soma,
)
from cosim.spiking.interpreter import netpyne_specs
from cosim.spiking.library import register_circuit


def _squid_soma() -> dict[str, Any]:
    """The poster's cell: NEURON's hh; leak 33 nS."""
    return {
        "geom": {"L": 18.8, "diam": 18.8, "Ra": 123.0},
        "mechs": {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70.0}},
        "threshold": 10.0,
    }


# Excitatory and inhibitory cell. The leaks are so alike that the node's weights serve all.
_CELLS = {
    "hh": (_squid_soma, _squid_soma),
    "regular_spiking": (regular_spiking_soma, fast_spiking_soma),
}


@register_circuit(
    "balanced_ei",
    paper="Bragin et al., Interfacing biophysical circuits with whole-brain networks using The "
    "Virtual Brain and NetPyNE (poster); cell: regular_spiking: Pospischil et al. 2008, Biol "
    "Cybern, doi:10.1007/s00422-008-0263-8",
    cpu_s_per_s=0.28,
)
def balanced_ei(order: int = 100, recurrent_excitation: float = 0.35, cell: str = "hh") -> Any:
    """Sparsely connected E and I cells whose only drive is what they are given.

    With ``recurrent_excitation = 1`` it is the published node, whose E to E weight sustains
    activity for ever without input; at 0.35 it falls silent when the input ends, but still ignites
    now and then; at 0.1 ``cosim calibrate`` finds inputs with which its rate follows the mean
    field's. Populations ``E`` and ``I``, receptors ``exc`` and ``inh``.

    ``cell: regular_spiking`` keeps the network and takes cells of real cortex: E regular-spiking
    (I_Na, I_Kd and the slow I_M, which adapts), I fast-spiking (I_Na, I_Kd), as their authors
    distribute them (ModelDB 123623), at 36 degC. Their membrane time constants are 10 and 7 ms
    where the squid's is 0.3 ms, so they need more input for the same rate: in a resting brain
    (right precuneus of Hagmann 66, G 0.2) about 4 Hz with 0.4 uS onto E and 0.15 uS onto I, one and
    two trains from each source.

    Args:
        order: Size: round(1.2 * order) excitatory and round(0.4 * order) inhibitory cells.
        recurrent_excitation: Factor on the weights of E to E and E to I.
        cell: ``hh``, the published node's squid axon, or ``regular_spiking``.

    Returns:
        For ``hh`` NetPyNE netParams (celsius 6.3 and v_init -65 mV are NetPyNE's defaults), for
        ``regular_spiking`` netParams and a simConfig with celsius 36, v_init -70 mV
        and dt 0.05 ms.

    Raises:
        ConfigurationError: If a population would be empty, a weight negative or the cell unknown.

    References:
        Bragin et al., "Interfacing biophysical circuits with whole-brain networks using The
        Virtual Brain and NetPyNE" (poster): cells, synapses, probabilities and weights.
        Pospischil et al. (2008), Minimal Hodgkin-Huxley type models for different classes of
        cortical and thalamic neurons, Biol Cybern 99:427-441, doi:10.1007/s00422-008-0263-8.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 2:
        raise ConfigurationError(
            f"balanced_ei: order = {order!r} is not a whole number >= 2: round(0.4 * order) "
            f"inhibitory cells would be none. Use 2 or more."
        )
    if not (math.isfinite(recurrent_excitation) and recurrent_excitation >= 0):
        raise ConfigurationError(
            f"balanced_ei: recurrent_excitation = {recurrent_excitation!r} is not a finite number "
            f">= 0; 1 is the published node, 0.35 the default."
        )
    if cell not in _CELLS:
        raise ConfigurationError(f"balanced_ei: {unknown_name('cell', str(cell), _CELLS)}")
    specs = netpyne_specs()
    net_params = specs.NetParams()
    excitatory, inhibitory = _CELLS[cell]
    # One rule where the cells are alike: NetPyNE, and saved networks, know it by this name.
    kinds = {"E": "HH", "I": "HH"} if cell == "hh" else {"E": "RS", "I": "FS"}
    for population, soma in (("E", excitatory), ("I", inhibitory)):
        net_params.cellParams[kinds[population]] = {"secs": {"soma": soma()}}
    net_params.popParams["E"] = {"cellType": kinds["E"], "numCells": round(1.2 * order)}
    net_params.popParams["I"] = {"cellType": kinds["I"], "numCells": round(0.4 * order)}
    net_params.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    net_params.synMechParams["inh"] = {"mod": "Exp2Syn", "tau1": 0.6, "tau2": 8.5, "e": -75.0}
    for pre, post, probability, weight_uS in (
        ("E", "E", 0.01, 0.02 * recurrent_excitation),
        ("E", "I", 0.01, 0.01 * recurrent_excitation),
        ("I", "E", 0.03, 0.01),
        ("I", "I", 0.03, 0.01),
    ):
        net_params.connParams[f"{pre}->{post}"] = {
            "preConds": {"pop": pre},
            "postConds": {"pop": post},
            "probability": probability,
            "weight": weight_uS,
            "delay": 5.0,
            "synMech": "exc" if pre == "E" else "inh",
        }
    if cell == "hh":
        return net_params
    # Here, not with the registration: the squid's cell must not ask for a compiler.
    load_cortical_mechanisms()
    config = specs.SimConfig()
    config.hParams = {"celsius": 36.0, "v_init": -70.0}
    config.dt = 0.05
    config.oneSynPerNetcon = False  # the synapses are linear, so that cells may share them
    return net_params, config
