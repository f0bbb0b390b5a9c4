"""Balanced E and I cells whose excitability depends on the calcium chemistry inside them."""

import copy
from pathlib import Path
from typing import Any

from cosim.errors import ConfigurationError
from cosim.spiking.circuits.balanced_ei import balanced_ei
from cosim.spiking.circuits.calcium_store import BUFFER_MM, PUMP_PER_S, calcium_store
from cosim.spiking.library import register_circuit

_CELLS = ("point", "dendritic")
# Largest value that makes sense, and what was probably meant by more.
_LIMITS = {
    "ip3_mM": (0.1, "IP3 acts at 0.0001 to 0.01 mM, and 1 uM is 0.001 mM"),
    "buffer_mM": (10.0, "cytosolic buffers are 0.01 to 1 mM, and 1 uM is 0.001 mM"),
    "pump_per_s": (1000.0, f"{PUMP_PER_S:g} is the default"),
    "sk_S_per_cm2": (1.0, "0.01 is the default, and 1 mS is 0.001 S"),
    "calcium_S_per_cm2": (0.1, "0.001 is the default, and 1 mS is 0.001 S"),
}


@register_circuit(
    "calcium_sk",
    paper="Li & Rinzel 1994, J Theor Biol 166:461 (store); Reuveni et al. 1993, J Neurosci 13:4609 "
    "(calcium channel); Koehler et al. 1996, Science 273:1709 (SK); both channels as in Hay et al. "
    "2011, doi:10.1371/journal.pcbi.1002107",
    mechanisms=Path(__file__).parent / "mechanisms" / "calcium_sk",
    inputs=[
        {"from": "R_e", "to": "E", "trains_per_source": 1, "weight_uS": 0.13},
        {"from": "R_e", "to": "I", "trains_per_source": 2, "weight_uS": 0.095},
    ],
    cpu_s_per_s=1.6,
)
def calcium_sk(
    order: int = 50,
    recurrent_excitation: float = 0.1,
    cell: str = "point",
    ip3_mM: float = 1e-4,
    buffer_mM: float = BUFFER_MM,
    pump_per_s: float = PUMP_PER_S,
    sk_S_per_cm2: float = 0.01,
    calcium_S_per_cm2: float = 1e-3,
) -> Any:
    """The node ``balanced_ei`` with reaction-diffusion of calcium in its excitatory cells.

    A spike lets calcium in; a buffer, an IP3-gated store and a pump shape how long it stays; what
    is free opens SK channels, which hyperpolarise. So more IP3, a slower pump or more SK channels
    mean fewer spikes for the same input. A cell starts as it is after a long silence. It adapts
    within the first second, as the calcium of its spikes gathers, and while the store fills goes on
    to: with the defaults by a further fifth in a minute. At rest the store is stable at every IP3.
    With its own inputs and a brain at rest it fires as the mean field does, 3.1 and 3.8 Hz in its
    second and third second. Inhibitory cells are those of ``balanced_ei``. Populations ``E`` and
    ``I``, receptors ``exc`` and ``inh``.

    Args:
        order: Size: round(1.2 * order) excitatory and round(0.4 * order) inhibitory cells.
        recurrent_excitation: Factor on the weights of E to E and E to I.
        cell: ``point``, one compartment, or ``dendritic``, with a dendrite of 100 by 2 um in three
            compartments, leak and the same channels, in which calcium diffuses; it costs 3.5 times
            as much, so take a smaller ``order``, and it needs a larger input.
        ip3_mM: Inositol trisphosphate in the cytosol, mM; 1e-4 is at rest, 1e-3 to 1e-2 strong
            stimulation of metabotropic receptors.
        buffer_mM: Total calcium buffer of the cytosol, mM, dissociation constant 0.01 mM. More of
            it makes calcium slower and each spike's share smaller; the resting level stays.
        pump_per_s: Rate at which free calcium leaves through the plasma membrane, 1/s.
        sk_S_per_cm2: Density of SK channels, S/cm2; 0 cuts the way back to excitability.
        calcium_S_per_cm2: Density of calcium channels, S/cm2.

    Returns:
        NetPyNE netParams with rxdParams; it needs the mechanisms SKcalcium and CaHVAcalcium.

    Raises:
        ConfigurationError: If a value makes no sense.

    References:
        Store, pump, buffer: :mod:`cosim.spiking.circuits.calcium_store`. Calcium channel: Reuveni
        et al. (1993) J Neurosci 13:4609. SK: Koehler et al. (1996) Science 273:1709. Both as in
        the layer 5b cell of Hay et al. (2011), doi:10.1371/journal.pcbi.1002107; the calcium
        channel at the density of its soma, SK between those of its dendrite (0.0012) and soma
        (0.0441). IP3 that quiets a network through calcium-activated potassium channels is also
        an example of NetPyNE, Dura-Bernal et al. (2019), doi:10.7554/eLife.44494; its channel and
        store are others. Cells, weights and probabilities are otherwise those of ``balanced_ei``.
    """
    if cell not in _CELLS:
        raise ConfigurationError(
            f"calcium_sk: cell = {cell!r} is none of {', '.join(_CELLS)}; write one of them."
        )
    _check("ip3_mM", ip3_mM)
    _check("buffer_mM", buffer_mM)
    _check("pump_per_s", pump_per_s, positive=True)
    _check("sk_S_per_cm2", sk_S_per_cm2)
    _check("calcium_S_per_cm2", calcium_S_per_cm2)
    net_params = balanced_ei(order, recurrent_excitation)
    channels = {
        "SKcalcium": {"gbar": float(sk_S_per_cm2)},
        "CaHVAcalcium": {"gbar": float(calcium_S_per_cm2)},
    }
    soma = copy.deepcopy(net_params.cellParams["HH"]["secs"]["soma"])
    soma["mechs"].update(channels)
    sections = {"soma": soma}
    if cell == "dendritic":
        sections["dend"] = {
            "geom": {"L": 100.0, "diam": 2.0, "Ra": 123.0, "nseg": 3},
            "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0},
            "mechs": {"pas": {"g": 1e-4, "e": -70.0}, **channels},
        }
    net_params.cellParams["calcium"] = {"secs": sections}
    net_params.popParams["E"]["cellType"] = "calcium"
    net_params.rxdParams = calcium_store(["E"], float(ip3_mM), float(buffer_mM), float(pump_per_s))
    return net_params


def _check(name: str, value: object, *, positive: bool = False) -> None:
    largest, meant = _LIMITS[name]
    if not (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= largest
        and (value > 0 or not positive)
    ):
        low = "above 0" if positive else "from 0"
        raise ConfigurationError(
            f"calcium_sk: {name} = {value!r} is not a number {low} to {largest:g}; {meant}."
        )
