"""Layer 5 pyramidal cells with a reduced dendritic tree, and fast-spiking interneurons."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cosim.errors import ConfigurationError
from cosim.spiking.circuits.cortical_cells import fast_spiking_soma, load_cortical_mechanisms
from cosim.spiking.interpreter import netpyne_specs
from cosim.spiking.library import register_circuit

# Bahl et al. 2012: membrane areas of the reconstructed cell, um2, and the fitted lengths, um, and
# axial resistivities, Ohm cm, of the cylinders that stand for them.
_AREA_UM2 = {
    "soma": 1682.96028429,
    "basal": 7060.90626796,
    "apical": 9312.38528764,
    "tuft": 9434.24861189,
}
_SOMA_UM = math.sqrt(_AREA_UM2["soma"] / math.pi)
_LENGTH_UM = {"basal": 257.0, "apical": 500.0, "tuft": 499.0}
_RA = {"soma": 82.0, "basal": 734.0, "apical": 382.22414867, "tuft": 527.0}
_NSEG = {"basal": 1, "apical": 5, "tuft": 2}
# The axon: length, um, diameters at both ends, um, compartments.
_AXON = {"hillock": (20.0, 3.5, 2.0, 5), "iseg": (25.0, 2.0, 1.5, 5), "axon": (500.0, 1.5, 1.5, 1)}
# Model 2 of the paper: passive properties (S/cm2, uF/cm2, mV), spines as a factor on both.
_LEAK = 1 / 20587.734598
_CAPACITANCE = 2.230408
_REST_LEAK = -80.398657
_SPINES = 0.784797
# Maximal conductances of model 2, pS/um2; potassium falls with distance, space constants in um.
_SOMA_CHANNELS = {
    "pyr_nat": 236.616175,
    "pyr_kfast": 67.197508,
    "pyr_kslow": 475.820646,
    "pyr_nap": 1.443953,
    "pyr_km": 10.459916,
}
_K_SPACE_UM = {"pyr_kfast": 20.075497, "pyr_kslow": 37.711817}
_TUFT_NAT, _TUFT_IH, _BASAL_IH = 47.817841, 16.194815, 11.039583
_ISEG_VSHIFT = 10.0 - 10.612583
_AXON_NAT = {"hillock": 9512.289205, "iseg": 13326.766938}


@register_circuit(
    "pyramidal_morphology",
    paper="Bahl, Stemmler, Herz & Roth 2012, J Neurosci Methods, "
    "doi:10.1016/j.jneumeth.2012.04.006 (pyramidal cell); Pospischil et al. 2008, Biol Cybern, "
    "doi:10.1007/s00422-008-0263-8 (interneuron)",
    mechanisms=Path(__file__).parent / "mechanisms" / "pyramidal_morphology",
    inputs=(
        {
            "from": "R_e",
            "to": "E",
            "receptor": "exc",
            "trains_per_source": 1,
            "weight_uS": 0.2,
            "where": {"sec": ["basal", "apical", "tuft"]},
        },
        {"from": "R_e", "to": "I", "receptor": "exc", "trains_per_source": 2, "weight_uS": 0.15},
    ),
    cpu_s_per_s=1.5,
)
def pyramidal_morphology(cells: int = 40, recurrent_excitation: float = 1.0) -> Any:
    """A small patch of layer 5 whose pyramidal cells have dendrites.

    Population ``E``: the reduced layer 5 pyramidal cell of Bahl et al. 2012 (their model 2), 20
    compartments in the sections ``soma``, ``basal``, ``apical``, ``tuft``, ``hillock_0`` to
    ``hillock_4``, ``iseg_0`` to ``iseg_4`` and ``axon``, with sodium, potassium, h and calcium
    currents where the paper has them, at 37 degC. Population ``I``: fast-spiking cells of
    Pospischil et al. 2008. Receptors ``exc`` and ``inh``; inputs may name any section.

    E to E synapses are on the basal dendrite, where most contacts of such pairs are, with the delay
    and the mean potential measured at the soma (1.3 mV; Markram et al. 1997). The other weights
    and the probabilities with I (0.5) are choices of this package: E to I evokes 1.3 mV as well,
    and I to E and I to I, on the soma, are as strong as in ``balanced_ei``.

    Args:
        cells: Pyramidal cells; a quarter as many interneurons, at least one.
        recurrent_excitation: Factor on the weights of E to E and E to I.

    Returns:
        NetPyNE netParams, and a simConfig with celsius 37, v_init -70 mV and dt 0.05 ms.

    Raises:
        ConfigurationError: If there are no cells or a weight would be negative.

    References:
        Bahl et al. (2012), Automated optimization of a reduced layer 5 pyramidal cell model based
        on experimental data, J Neurosci Methods 210:22-34, doi:10.1016/j.jneumeth.2012.04.006.
        Markram et al. (1997), J Physiol 500:409-440, doi:10.1113/jphysiol.1997.sp022031: pairs of
        layer 5 cells. Pospischil et al. (2008), doi:10.1007/s00422-008-0263-8: I.
    """
    if isinstance(cells, bool) or not isinstance(cells, int) or cells < 1:
        raise ConfigurationError(
            f"pyramidal_morphology: cells = {cells!r} is not a whole number >= 1; 40 is the "
            f"default."
        )
    if not (math.isfinite(recurrent_excitation) and recurrent_excitation >= 0):
        raise ConfigurationError(
            f"pyramidal_morphology: recurrent_excitation = {recurrent_excitation!r} is not a "
            f"finite number >= 0; 1 is the default, 0 leaves E unconnected."
        )
    load_cortical_mechanisms()
    specs = netpyne_specs()
    net_params = specs.NetParams()
    net_params.cellParams["PYR"] = {"secs": pyramidal_sections()}
    net_params.cellParams["FS"] = {"secs": {"soma": fast_spiking_soma()}}
    net_params.popParams["E"] = {"cellType": "PYR", "numCells": cells}
    net_params.popParams["I"] = {"cellType": "FS", "numCells": max(1, round(cells / 4))}
    net_params.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.8, "tau2": 5.3, "e": 0.0}
    net_params.synMechParams["inh"] = {"mod": "Exp2Syn", "tau1": 0.6, "tau2": 8.5, "e": -75.0}
    for pre, post, probability, weight_uS, section in (
        ("E", "E", 0.1, 0.0014 * recurrent_excitation, "basal"),
        ("E", "I", 0.5, 0.0014 * recurrent_excitation, "soma"),
        ("I", "E", 0.5, 0.01, "soma"),
        ("I", "I", 0.5, 0.01, "soma"),
    ):
        net_params.connParams[f"{pre}->{post}"] = {
            "preConds": {"pop": pre},
            "postConds": {"pop": post},
            "probability": probability,
            "weight": weight_uS,
            "delay": 1.7,
            "sec": section,
            "loc": 0.5,
            "synMech": "exc" if pre == "E" else "inh",
        }
    config = specs.SimConfig()
    config.hParams = {"celsius": 37.0, "v_init": -70.0}
    config.dt = 0.05
    config.oneSynPerNetcon = False  # the synapses are linear, so that cells may share them
    return net_params, config


def pyramidal_sections() -> dict[str, Any]:
    """NetPyNE's sections of the reduced layer 5 pyramidal cell; none has a list of 3-D points.

    The tapering hillock and initial segment are chains of cylinders of one compartment each, which
    is what NEURON makes of a section with as many compartments; NetPyNE cannot give one section
    several diameters without 3-D points, whose lengths would depend on a cell's place.
    """
    sections: dict[str, Any] = {
        "soma": _section("soma", _SOMA_UM, _SOMA_UM, 1),
        **{
            name: _section(name, length, _AREA_UM2[name] / math.pi / length, _NSEG[name])
            for name, length in _LENGTH_UM.items()
        },
    }
    for name, parent, at in (
        ("basal", "soma", 0.5),
        ("apical", "soma", 1.0),
        ("tuft", "apical", 1.0),
    ):
        sections[name]["topol"] = {"parentSec": parent, "parentX": at, "childX": 0.0}
    parent, at = "soma", 0.0
    for name, length, diameter in _axon_cylinders():
        sections[name] = _section("soma", length, diameter, 1)
        sections[name]["topol"] = {"parentSec": parent, "parentX": at, "childX": 0.0}
        parent, at = name, 1.0
    _insert_channels(sections)
    sections["soma"]["threshold"] = 0.0
    return sections


def _axon_cylinders() -> Iterator[tuple[str, float, float]]:
    """Name, length and diameter, um, of the axon's cylinders, from the soma outwards."""
    for name, (length, near, far, n) in _AXON.items():
        for index in range(n):
            label = f"{name}_{index}" if n > 1 else name
            yield label, length / n, near + (far - near) * (index + 0.5) / n


def _section(kind: str, length_um: float, diameter_um: float, nseg: int) -> dict[str, Any]:
    spines = _SPINES if kind in ("apical", "tuft") else 1.0
    return {
        "geom": {
            "L": length_um,
            "diam": diameter_um,
            "nseg": nseg,
            "Ra": _RA[kind],
            "cm": _CAPACITANCE * spines,
        },
        "mechs": {"pas": {"g": _LEAK * spines, "e": _REST_LEAK}},
    }


def _insert_channels(sections: dict[str, Any]) -> None:
    for name, section in sections.items():
        channels = section["mechs"]
        kind = name.partition("_")[0]
        if kind == "soma":
            channels.update({channel: {"gbar": g} for channel, g in _SOMA_CHANNELS.items()})
        elif kind in _AXON_NAT:
            channels["pyr_nat"] = {"gbar": _AXON_NAT[kind]}
        elif kind == "basal":
            channels["pyr_ih"] = {"gbar": _BASAL_IH}
        elif kind in ("apical", "tuft"):
            channels.update(_apical_channels(kind))
        if "pyr_nat" in channels:
            channels["pyr_nat"]["vshift"] = _ISEG_VSHIFT if kind == "iseg" else 10.0
            section["ions"] = {"na": {"e": 55.0}}
        if "pyr_kfast" in channels:
            section["ions"] = {"na": {"e": 55.0}, "k": {"e": -80.0}}


def _apical_channels(kind: str) -> dict[str, Any]:
    """Densities along the apical tree: h and sodium linear up to the tuft, potassium falling."""
    n = _NSEG[kind]
    # As in the authors' program, the outermost compartment has the density of the section's end.
    places = [*((index + 0.5) / n for index in range(n - 1)), 1.0]
    start = _SOMA_UM + (_LENGTH_UM["apical"] if kind == "tuft" else 0.0)
    distances = [start + x * _LENGTH_UM[kind] for x in places]
    channels: dict[str, Any] = {
        channel: {"gbar": [_SOMA_CHANNELS[channel] * math.exp(-d / space) for d in distances]}
        for channel, space in _K_SPACE_UM.items()
    }
    if kind == "tuft":
        return channels | {
            "pyr_nat": {"gbar": _TUFT_NAT},
            "pyr_ih": {"gbar": _TUFT_IH},
            "pyr_sca": {"gbar": 0.45423528, "vshift": 7.19485311},
            "pyr_kca": {"gbar": 6.15058501},
            "pyr_cad": {},
        }
    reach = _SOMA_UM + _LENGTH_UM["apical"]
    near = _SOMA_CHANNELS["pyr_nat"]
    return channels | {
        "pyr_nat": {"gbar": [near + (_TUFT_NAT - near) * d / reach for d in distances]},
        "pyr_ih": {"gbar": [_TUFT_IH * d / reach for d in distances]},
    }
