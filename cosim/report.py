"""One page about a run, for a browser or for paper: what it was and did, where the time went."""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2

from cosim import report_figures as draw
from cosim.report_panels import Findings, make_overview, make_panels
from cosim.result_files import atomic_file
from cosim.results import REPORT_FILES, RunResult


def write_report(directory: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` and the overview ``report.png`` into a run's folder.

    The page needs no network and no other file.

    Args:
        directory: Folder of the run.

    Returns:
        Path of the page.

    Raises:
        ResultsError: If the folder holds no results or cannot be written.
    """
    folder = Path(directory)
    result = RunResult.open(folder)
    with contextlib.closing(result), draw.style():
        findings = Findings(result)
        summary = _summary(findings)
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("cosim"), autoescape=True, trim_blocks=True
        )
        experiment = result.provenance.get("experiment")
        page = environment.get_template("report.html.j2").render(
            title=f"Co-simulation report: {folder.resolve().name}",
            summary=summary,
            warning=_warning(result),
            panels=make_panels(findings),
            facts=list(_facts(result.provenance)),
            experiment=json.dumps(experiment, indent=2, ensure_ascii=False) if experiment else "",
        )
        overview = draw.png(make_overview(findings, summary))
    html, picture = (folder / name for name in REPORT_FILES)
    with atomic_file(picture) as path:
        path.write_bytes(overview)
    with atomic_file(html) as path:
        path.write_text(page, encoding="utf-8")
    return html


def _warning(result: RunResult) -> str:
    if result.complete:
        return ""
    return (
        "This run did not reach its end, or has not yet: the page shows what was flushed, up to "
        f"{result.duration_ms:g} ms."
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
    parts.append(f"{findings.duration_ms:g} ms simulated")
    seconds = facts.get("run_s") or facts.get("wall_s")
    if seconds:
        parts[-1] += f" in {seconds:.1f} s"
    if facts.get("ranks"):
        parts.append(f"{facts['ranks']} rank{'s' if facts['ranks'] != 1 else ''}")
    if facts.get("window_ms"):
        parts.append(f"windows of {facts['window_ms']:g} ms")
    return "; ".join(parts) + "."


def _facts(provenance: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Rows of the provenance table: what is not shown elsewhere on the page."""
    for name, value in provenance.items():
        if name in ("experiment", "timing"):
            continue
        if isinstance(value, Mapping):
            for inner, item in value.items():
                yield f"{name}: {inner}", _words(item)
        else:
            yield name.replace("_", " "), _words(value)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)
