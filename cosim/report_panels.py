"""The sections of a report, in order; those about spikes and about time spent."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cosim import report_courses as courses
from cosim import report_figures as draw
from cosim.report_beside import Beside
from cosim.report_findings import Findings
from cosim.report_network_panels import connectome_panel, exchange_panel
from cosim.report_observables import observable_panels
from cosim.report_panel import Panel, picture
from cosim.report_signal_panels import (
    bold_panel,
    connectivity_panel,
    series_panel,
    spectra_panel,
)
from cosim.report_viewers import lines_viewer, raster_viewer
from cosim.stopwatch import PHASES


def make_panels(findings: Findings, beside: Beside | None = None) -> list[Panel]:
    """Every section of the page, in order; always all of them.

    Args:
        findings: The run.
        beside: The same brain without circuits, if there is such a run.
    """
    return [
        connectome_panel(findings),
        _raster_panel(findings),
        _rates_panel(findings),
        exchange_panel(findings),
        series_panel(findings),
        connectivity_panel(findings, beside),
        spectra_panel(findings, beside),
        bold_panel(findings),
        *observable_panels(findings.result, findings.duration_ms),
        _timing_panel(findings.result.provenance),
    ]


def _raster_panel(findings: Findings) -> Panel:
    name, title = "raster", "Spikes"
    spikes = findings.result.spikes
    if not spikes:
        return Panel(name, title, "The run has no spiking population.")
    if not findings.n_spikes:
        return Panel(name, title, f"No cell fired in {findings.duration_ms:g} ms.")
    n_cells = sum(one.n_cells for one in spikes.values())
    height_in = float(np.clip(1.5 + 0.018 * n_cells, 2.6, 7.0))
    room_in = draw.label_width_in([*spikes, "1000 cells"], 8.0)
    figure, axes = draw.new_tile(draw.WIDE_IN, height_in, room_in, top_in=0.15)
    remark = courses.draw_raster(axes, spikes, findings.duration_ms)
    viewer = raster_viewer(title, spikes, findings.duration_ms)
    caption = f"One mark per spike; one row per cell, populations from the top. {remark}".strip()
    if findings.spikes_end_ms < findings.duration_ms:
        caption += f" Spikes were flushed up to {findings.spikes_end_ms:.1f} ms."
    return Panel(name, title, caption, (picture(figure, "Raster of spikes", viewer=viewer),))


def _rates_panel(findings: Findings) -> Panel:
    name, title = "rates", "Population rates"
    rates = findings.rates
    if not rates.size:
        why = (
            "Nothing has been simulated yet"
            if rates.shape[1]
            else "It has no population that spikes"
        )
        return Panel(name, title, f"No rates of this run. {why}.")
    names = [str(population) for population in rates["population"].values]
    few = len(names) <= draw.MAX_LINES
    height_in = 2.6 if few else min(1.2 + 0.16 * len(names), 8.0)
    room_in = 0.75 if few else draw.label_width_in(names)
    figure, axes = draw.new_tile(draw.WIDE_IN, height_in, room_in)
    courses.draw_rates(axes, rates, findings.duration_ms)
    draw.set_title(axes, f"Rates in bins of {rates.attrs['bin_ms']:g} ms")
    rows = [("population", "cells", "spikes", "mean rate [Hz]")]
    for population, one in findings.result.spikes.items():
        hz = one.times_ms.size / one.n_cells / findings.spikes_end_ms * 1000.0
        rows.append((population, str(one.n_cells), str(one.times_ms.size), f"{hz:.2f}"))
    colours = {name: courses.population_colour(i, len(names)) for i, name in enumerate(names)}
    viewer = lines_viewer(
        title, rates["time"].values, rates.values, names, "rate per cell [Hz]",
        findings.duration_ms, colours, "" if few else "population",
    )  # fmt: skip
    caption = (
        f"Spikes per cell and second, from the recorded spikes, in bins of "
        f"{rates.attrs['bin_ms']:g} ms."
    )
    shown = picture(figure, "Population rates", viewer=viewer)
    return Panel(name, title, caption, (shown,), tuple(rows))


def _timing_panel(provenance: Mapping[str, Any]) -> Panel:
    name, title = "timing", "Where the time went"
    timing = provenance.get("timing") or []
    if not timing:
        return Panel(name, title, "No timing was recorded.")
    figure, axes = draw.new_tile(draw.HALF_IN, 1.2 + 0.3 * len(timing), 1.4)
    courses.draw_timing(axes, timing)
    rows = [("rank", *(f"{phase} [s]" for phase in PHASES), "total [s]", "interface")]
    for rank in timing:
        seconds = [float(rank.get(phase) or 0.0) for phase in PHASES]
        by_phase = dict(zip(PHASES, seconds, strict=True))
        running = sum(seconds) - by_phase["build"] - by_phase["write"]
        share = 1.0 - by_phase["compute"] / running if running > 0 else 0.0
        cells = [f"{value:.2f}" for value in (*seconds, float(rank.get("total") or sum(seconds)))]
        rows.append((f"{rank.get('rank', '?')} {rank.get('side', '')}", *cells, f"{share:.0%}"))
    caption = (
        "Wall time of each rank by phase. Interface: the share of the time between build and write "
        "that is not compute."
    )
    return Panel(name, title, caption, (picture(figure, "Wall time by rank"),), tuple(rows))
