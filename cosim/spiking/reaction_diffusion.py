"""Reaction-diffusion of a network, of which a rank may hold a part or nothing."""

from collections.abc import Mapping
from typing import Any

from cosim.spiking.rxd_rules import without_regions


def add_reaction_diffusion(sim: Any) -> None:
    """Let NetPyNE add species and reactions; regions without a section on this rank are left out.

    Args:
        sim: NetPyNE's module of the running network, its cells created.
    """
    whole = sim.net.params.rxdParams
    absent = [
        label
        for label, region in (whole.get("regions") or {}).items()
        if "cells" in region and not _has_sections(sim, region)
    ]
    try:
        sim.net.params.rxdParams = without_regions(whole, absent)
        sim.net.addRxD()
    finally:
        sim.net.params.rxdParams = whole


def _has_sections(sim: Any, region: Mapping[str, Any]) -> bool:
    wanted = region.get("secs", "all")
    wanted = [wanted] if isinstance(wanted, str) else wanted
    return any(
        "all" in wanted or name in wanted
        for cell in sim.getCellsList(region["cells"])
        for name in vars(cell).get("secs") or ()
    )
