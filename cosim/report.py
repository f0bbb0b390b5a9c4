"""One page about a run, for a browser or for paper: what it was and did, where the time went."""

import base64
import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from cosim import report_figures as draw
from cosim.report_beside import Beside, read_beside
from cosim.report_findings import Findings
from cosim.report_overview import make_overview
from cosim.report_panels import make_panels
from cosim.reproduction import reproduction
from cosim.result_files import atomic_file
from cosim.results import RunResult
from cosim.run_folder import REPORT_FILES


def write_report(
    directory: str | os.PathLike[str], beside: str | os.PathLike[str] | None = None
) -> Path:
    """Write ``report.html`` and the overview ``report.png`` into a run's folder.

    The page needs no network and no other file, and allows itself neither.

    Args:
        directory: Folder of the run.
        beside: Folder of a run of the same brain without circuits; None takes one that lies in the
            same folder as this, if there is one of the same seed, brain and duration.

    Returns:
        Path of the page.

    Raises:
        ResultsError: If a folder holds no results, the two do not go together, or the page cannot
            be written.
    """
    folder = Path(directory)
    result = RunResult.open(folder)
    with contextlib.closing(result), draw.style(), contextlib.ExitStack() as closing:
        findings = Findings(result)
        other = read_beside(findings, folder, None if beside is None else Path(beside))
        if other is not None:
            closing.enter_context(contextlib.closing(other.findings.result))
        summary = _summary(findings)
        page = _page(findings, other, f"Co-simulation report: {folder.resolve().name}", summary)
        overview = draw.png(make_overview(findings, summary))
    html, picture = (folder / name for name in REPORT_FILES)
    with atomic_file(picture) as path:
        path.write_bytes(overview)
    with atomic_file(html) as path:
        path.write_text(page, encoding="utf-8")
    return html


def _page(findings: Findings, beside: Beside | None, title: str, summary: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cosim"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    # Whatever a label says, no script but the page's own runs, and nothing is fetched.
    style, script = (
        files("cosim").joinpath("templates", name).read_text(encoding="utf-8")
        for name in ("report.css", "report.js")
    )
    provenance = findings.result.provenance
    panels = make_panels(findings, beside)
    return environment.get_template("report.html.j2").render(
        title=title,
        summary=summary,
        warnings=list(_warnings(findings.result)),
        panels=[panel for panel in panels if panel.pictures],
        absent=[panel for panel in panels if not panel.pictures],
        facts=list(_facts(provenance, findings)),
        reproduction=reproduction(provenance),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _hash(text: str) -> str:
    """What a content security policy calls an inline text by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _warnings(result: RunResult) -> Iterable[str]:
    if not result.complete:
        yield (
            "This run did not reach its end, or has not yet: the page shows what was flushed, "
            f"up to {result.duration_ms:g} ms."
        )
    facts = result.provenance
    participants = facts.get("participants") or {}
    yield from facts.get("notices") or []
    yield from (participants.get("NEURON") or {}).get("warnings") or []
    brain = participants.get("TVB") or {}
    clipped = brain.get("clipped_steps") or {}
    if clipped:
        worst = max(clipped, key=clipped.__getitem__)
        yield (
            f"S was clipped to [0, 1] in {len(clipped)} region{'' if len(clipped) == 1 else 's'}, "
            f"most often in {worst}: {clipped[worst]} of {brain.get('steps')} steps."
        )


def _summary(findings: Findings) -> str:
    facts = findings.result.provenance
    parts = []
    if findings.series:
        parts.append(f"{len(findings.series[0].regions)} regions")
    if findings.replaced:
        names = ", ".join(findings.replaced[:6]) + (", ..." if len(findings.replaced) > 6 else "")
        parts.append(f"{len(findings.replaced)} replaced by spiking circuits ({names})")
    spikes = findings.result.spikes
    if spikes:
        n_cells = sum(one.n_cells for one in spikes.values())
        parts.append(f"{n_cells} cells that fired {findings.n_spikes} spikes")
    elif not findings.replaced:
        parts.append("no circuits")
    asked = ""
    if not findings.result.complete and "duration_ms" in facts:
        asked = f" of {facts['duration_ms']:g}"
    parts.append(f"{findings.duration_ms:g}{asked} ms simulated")
    seconds = facts.get("run_s") or facts.get("wall_s")
    if seconds:
        parts[-1] += f" in {seconds:.1f} s"
    resumed = facts.get("resumed") or ()
    if resumed:
        times = ", ".join(f"{entry['at_ms']:g} ms ({entry['when']})" for entry in resumed)
        parts[-1] += f" since the run was last resumed: resumed at {times}"
    if facts.get("ranks"):
        parts.append(f"{facts['ranks']} rank{'s' if facts['ranks'] != 1 else ''}")
    if facts.get("window_ms"):
        parts.append(f"windows of {facts['window_ms']:g} ms")
    return "; ".join(parts) + "."


def _facts(provenance: Mapping[str, Any], findings: Findings) -> Iterable[tuple[str, str]]:
    """Rows of the provenance table: what is not shown elsewhere on the page."""
    for name, value in provenance.items():
        if name in ("experiment", "timing", "notices"):
            continue
        if name in ("participants", "circuit_parameters"):
            for inner, item in value.items():
                yield f"{name.replace('_', ' ')}, {inner}", _words(item)
        else:
            yield name.replace("_", " "), _words(value)
    if provenance and findings.result.spikes:
        yield "spikes, SHA-256", findings.spikes_digest


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)
