"""Calcium of a cell with a buffer, an IP3-gated store and a pump, as NetPyNE's rxdParams.

Exchange with the endoplasmic reticulum (ER) is Li and Rinzel's model of the IP3 receptor, whose
rates have the cell's fast buffers lumped in. Here the buffer of the cytosol is a species of its
own, so every flux is taken times the capacity that was lumped, ``CAPACITY``, and the calcium of
the ER is its total, ``CAPACITY`` times the free one. With the default buffer free calcium then
moves as published, to the share of buffer that is occupied (5 % at 0.5 uM).

Through the plasma membrane calcium enters at a constant rate and one that rises with IP3, and is
pumped out in proportion to its concentration (Ullah et al. 2006). Without that dependence on IP3
calcium at rest would not depend on IP3 at all: it is what enters against what is pumped out, and
the store only shapes what happens in between. Both fluxes are four times theirs, which keeps every
resting level: their cell is an astrocyte whose calcium decays in 2 s, a neuron's does in less.

References:
    Li YX, Rinzel J (1994) J Theor Biol 166:461: the model; De Young GW, Keizer J (1992) Proc Natl
    Acad Sci USA 89:9895: the receptor. Ullah G, Jung P, Cornell-Bell AH (2006) Cell Calcium 39:197:
    plasma membrane. Wagner J, Keizer J (1994) Biophys J 67:447, doi:10.1016/S0006-3495(94)80500-4:
    fast buffers. Allbritton NL, Meyer T, Stryer L (1992) Science 258:1812: diffusion.
"""

from dataclasses import dataclass
from typing import Any

# Concentrations in mM, time in ms.
ER_PER_CYTOSOL = 0.185  # c1, volume
RELEASE_PER_MS = 6e-3  # v1, all IP3 receptors open
LEAK_PER_MS = 0.11e-3  # v2
SERCA_MM_PER_MS = 0.9e-6  # v3
SERCA_MM = 1e-4  # k3
D1, D2, D3, D5 = 1.3e-4, 1.049e-3, 9.434e-4, 8.234e-5  # dissociation constants
A2 = 0.2  # binding of calcium to the inhibiting site, per mM and ms

REST_MM = 5e-5  # calcium at rest without IP3, which sets the constant entry
BY_IP3_MM = 4e-4  # how much higher it rests at saturating IP3: v6 / k1
HALF_IP3_MM = 1e-3  # k2
PUMP_PER_S = 2.0  # free calcium decays in 0.5 s

# A choice, not from a paper: it binds 15 times what is free, and hardly saturates.
BUFFER_MM = 0.15
BUFFER_HALF_MM = 0.01
BINDING = 100.0  # per mM and ms; fast beside everything else
CAPACITY = 1.0 + BUFFER_MM / BUFFER_HALF_MM

CALCIUM_UM2_PER_MS = 0.223
CYTOSOL = 1.0 / (1.0 + ER_PER_CYTOSOL)  # share of the cell's volume
_MOLECULES = 602214.076  # in 1 um3 of 1 mM


@dataclass(frozen=True)
class Resting:
    """Concentrations of a cell that has been silent for long, mM, and the open share of the gate.

    Attributes:
        free: Free calcium of the cytosol.
        bound: Calcium on the buffer.
        store: Calcium of the ER, free and bound, in the volume of the ER.
        gate: Share of IP3 receptors that calcium does not inhibit.
    """

    free: float
    bound: float
    store: float
    gate: float


def resting(ip3_mM: float, buffer_mM: float, pump_per_s: float) -> Resting:
    """Where every flux balances: the pump sets the cytosol, the cytosol sets the store.

    Args:
        ip3_mM: Concentration of IP3.
        buffer_mM: Total concentration of the buffer.
        pump_per_s: Rate at which free calcium is pumped out of the cell.
    """
    free = (PUMP_PER_S / pump_per_s) * (REST_MM + BY_IP3_MM * _hill2(ip3_mM, HALF_IP3_MM))
    inhibited = D2 * (ip3_mM + D1) / (ip3_mM + D3)
    gate = inhibited / (inhibited + free)
    opened = (ip3_mM / (ip3_mM + D1) * free / (free + D5) * gate) ** 3
    uptake = SERCA_MM_PER_MS * _hill2(free, SERCA_MM)
    gradient = uptake / (ER_PER_CYTOSOL * (RELEASE_PER_MS * opened + LEAK_PER_MS))
    bound = buffer_mM * free / (free + BUFFER_HALF_MM)
    return Resting(free, bound, CAPACITY * (free + gradient), gate)


def _hill2(x: float, half: float) -> float:
    return x * x / (half * half + x * x)


def calcium_store(
    cells: list[str], ip3_mM: float, buffer_mM: float, pump_per_s: float, *, closed: bool = False
) -> dict[str, Any]:
    """The rxdParams, starting at rest.

    Args:
        cells: Populations whose cells have it, in all their sections.
        ip3_mM: Concentration of IP3, the same everywhere.
        buffer_mM: Total concentration of the buffer.
        pump_per_s: Rate at which free calcium is pumped out of the cell.
        closed: Whether nothing passes the plasma membrane but the current of calcium channels.
    """
    start = resting(ip3_mM, buffer_mM, pump_per_s)
    free_in_store = f"(ca[er] / {CAPACITY!r} - ca[cyt])"
    # Of the membrane there is 1 um2 for each um3 of the cell, so what is per volume of the cytosol
    # becomes molecules per um2 with these.
    per_area = CAPACITY * CYTOSOL * _MOLECULES
    release = per_area * ER_PER_CYTOSOL * RELEASE_PER_MS
    leak = per_area * ER_PER_CYTOSOL * LEAK_PER_MS
    uptake = per_area * SERCA_MM_PER_MS
    rates = {
        "gating": {
            "species": "ip3r[cyt]",
            "regions": ["cyt"],
            "rate": f"{A2 * D2!r} * (ip3[cyt] + {D1!r}) / (ip3[cyt] + {D3!r}) * (1 - ip3r[cyt])"
            f" - {A2!r} * ca[cyt] * ip3r[cyt]",
        }
    }
    if not closed:
        rates["extrusion"] = {
            "species": "ca[cyt]",
            "regions": ["cyt"],
            "rate": f"{CAPACITY * 1e-3!r} * ({PUMP_PER_S!r} * ({REST_MM!r} + {BY_IP3_MM!r} * "
            f"ip3[cyt] ** 2 / (ip3[cyt] ** 2 + {HALF_IP3_MM**2!r})) - pump[cyt] * ca[cyt])",
        }
    in_cells = {"cells": cells, "secs": "all"}
    return {
        "regions": {
            "cyt": {
                **in_cells,
                "nrn_region": "i",
                "geometry": {
                    "class": "FractionalVolume",
                    "args": {"volume_fraction": CYTOSOL, "surface_fraction": 1},
                },
            },
            "er": {
                **in_cells,
                "geometry": {
                    "class": "FractionalVolume",
                    "args": {"volume_fraction": 1.0 - CYTOSOL},
                },
            },
            "membrane": {
                **in_cells,
                "geometry": {"class": "DistributedBoundary", "args": {"area_per_vol": 1}},
            },
        },
        "species": {
            "ca": {
                "regions": ["cyt", "er"],
                "d": CALCIUM_UM2_PER_MS,
                "charge": 2,
                "initial": f"{start.free!r} if node.region == cyt else {start.store!r}",
            },
            "buffer": {"regions": ["cyt"], "initial": buffer_mM - start.bound, "name": None},
            "bound": {"regions": ["cyt"], "initial": start.bound, "name": None},
            "ip3r": {"regions": ["cyt"], "initial": start.gate, "name": None},
        },
        "parameters": {
            "ip3": {"regions": ["cyt"], "value": ip3_mM, "name": None},
            "pump": {"regions": ["cyt"], "value": pump_per_s, "name": None},
        },
        "reactions": {
            "buffering": {
                "reactant": "ca[cyt] + buffer[cyt]",
                "product": "bound[cyt]",
                "rate_f": BINDING,
                "rate_b": BINDING * BUFFER_HALF_MM,
            }
        },
        "multicompartmentReactions": {
            "store": {
                "reactant": "ca[er]",
                "product": "ca[cyt]",
                "membrane": "membrane",
                "custom_dynamics": True,
                "rate_f": f"({release!r} * (ip3[cyt] / (ip3[cyt] + {D1!r}) * ca[cyt] / (ca[cyt] + "
                f"{D5!r}) * ip3r[cyt]) ** 3 + {leak!r}) * {free_in_store} - {uptake!r} * ca[cyt] "
                f"** 2 / (ca[cyt] ** 2 + {SERCA_MM**2!r})",
            }
        },
        "rates": rates,
    }
