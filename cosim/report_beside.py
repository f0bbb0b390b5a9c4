"""The all-mean-field run beside a run: what the brain does without the circuit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.errors import ResultsError
from cosim.report_findings import MIN_CORRELATION_SAMPLES, Findings, RegionSeries
from cosim.result_sinks import SEGMENTS_FOLDER
from cosim.results import RunResult
from cosim.run_folder import PROVENANCE_FILE


@dataclass(frozen=True)
class Beside:
    """Another run of the same brain.

    Attributes:
        name: Of its folder.
        findings: What it holds.
        found: Whether it was found, not named.
        notes: What a reader should know, one line each.
    """

    name: str
    findings: Findings
    found: bool
    notes: tuple[str, ...]

    def pairs(self, ours: Findings) -> list[tuple[RegionSeries, RegionSeries]]:
        """Series of the same variable of both runs, over the time that both have."""
        theirs = {one.variable: one for one in self.findings.series}
        return [
            (_cut(one, theirs[one.variable]), _cut(theirs[one.variable], one))
            for one in ours.series
            if one.variable in theirs
        ]


def read_beside(ours: Findings, folder: Path, named: Path | None) -> Beside | None:
    """The run that was named, or one in the same folder that differs in its circuits alone.

    Args:
        ours: The run of the report.
        folder: Its folder.
        named: Folder of the other; None looks for it.

    Raises:
        ResultsError: If the named one holds no results or is of other regions or variables.
    """
    other = named if named is not None else _find(ours.result.provenance, folder)
    if other is None:
        return None
    findings = Findings(RunResult.open(other))
    problem = _difference(ours, findings)
    if problem:
        findings.result.close()
        if named is None:
            return None
        raise ResultsError(
            f"--beside {named}: it cannot stand beside {folder}, as they differ in {problem}; name "
            f"a run of the same brain."
        )
    notes = []
    seeds = [one.result.provenance.get("seed") for one in (ours, findings)]
    if seeds[0] != seeds[1]:
        notes.append(f"the seeds differ ({seeds[0]} and {seeds[1]}), so the noise does too")
    if findings.replaced:
        notes.append(f"it has circuits itself, in {', '.join(findings.replaced)}")
    if _brain(ours.result.provenance) != _brain(findings.result.provenance):
        notes.append("the brain's settings differ, not only its circuits")
    return Beside(other.resolve().name, findings, named is None, tuple(notes))


def _find(provenance: Mapping[str, Any], folder: Path) -> Path | None:
    """A finished run without circuits of the same seed, brain and duration, by its provenance."""
    experiment = provenance.get("experiment") or {}
    if not experiment.get("circuits"):
        return None
    wanted = {key: experiment.get(key) for key in ("seed", "duration_ms", "brain")}
    own = folder.resolve()
    for path in sorted(own.parent.glob(f"*/{PROVENANCE_FILE}")):
        if path.parent == own or (path.parent / SEGMENTS_FOLDER).exists():
            continue
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        other = held.get("experiment") if isinstance(held, Mapping) else None
        if not isinstance(other, Mapping):  # not a file of ours
            continue
        if not other.get("circuits") and all(other.get(k) == v for k, v in wanted.items()):
            return path.parent
    return None


def _difference(ours: Findings, theirs: Findings) -> str:
    if not ours.series or not theirs.series:
        return "what they recorded (one has no regional series)"
    a, b = ours.series[0], theirs.series[0]
    if a.regions != b.regions:
        return f"regions ({len(a.regions)} and {len(b.regions)}; set brain.connectome)"
    if a.variable != b.variable:
        return f"variables ({a.variable} and {b.variable}; set brain.model)"
    n_common = min(len(a.times_ms), len(b.times_ms))
    if n_common < MIN_CORRELATION_SAMPLES:
        return f"length (both hold {n_common} samples, {MIN_CORRELATION_SAMPLES} are needed)"
    if (a.monitor, a.period_ms) != (b.monitor, b.period_ms):
        return (
            f"monitors ({a.monitor} {a.period_ms:g} ms and {b.monitor} {b.period_ms:g} ms; set "
            f"brain.monitors)"
        )
    return ""


def _brain(provenance: Mapping[str, Any]) -> Any:
    return (provenance.get("experiment") or {}).get("brain")


def _cut(one: RegionSeries, other: RegionSeries) -> RegionSeries:
    n = min(len(one.times_ms), len(other.times_ms))
    return RegionSeries(
        one.monitor, one.variable, one.unit, one.regions, one.times_ms[:n], one.values[:n],
        one.period_ms,
    )  # fmt: skip
