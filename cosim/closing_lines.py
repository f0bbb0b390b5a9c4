"""What a run says at its end: what to know of it, how long it took, where its results are."""

from collections.abc import Mapping
from pathlib import Path

from cosim.results import RunResult, Spikes

# Half of a shorter run may pass without a spike by chance: 20 cells at 1 Hz are silent for 250 ms
# in one of 150 runs.
_TELLING_MS = 500.0


def closing_lines(result: RunResult, directory: Path, report: bool) -> list[str]:
    """One line per thing to know.

    Args:
        result: The run.
        directory: Its folder.
        report: Whether a report was written.
    """
    provenance = result.provenance
    run_s, build_s, duration_ms = (provenance[k] for k in ("run_s", "build_s", "duration_ms"))
    warnings = provenance["participants"].get("NEURON", {}).get("warnings", [])
    lines = [f"Note: {line}" for line in (*provenance["notices"], *warnings)]
    clipped = provenance["participants"].get("TVB", {}).get("clipped_steps", {})
    if clipped:
        worst = max(clipped, key=clipped.get)
        steps = provenance["participants"]["TVB"]["steps"]
        lines.append(
            f"Note: S was clipped to [0, 1] in {len(clipped)} regions, most often in {worst}: "
            f"{clipped[worst]} of {steps} steps."
        )
    lines += [f"Note: {line}" for line in silent_populations(result.spikes, duration_ms)]
    resumed = provenance["resumed"]
    if resumed:
        times = ", ".join(f"{entry['at_ms']:g}" for entry in resumed)
        lines.append(f"Note: resumed at {times} ms; the time below is since then.")
    lines += [f"Note: {line}." for line in provenance["checkpoints"].get("failed", ())]
    lines += [
        f"{duration_ms:g} ms simulated in {run_s:.2f} s after {build_s:.1f} s of build, "
        f"on {provenance['ranks']} rank(s); window {provenance['window_ms']:g} ms.",
        f"Results: {directory}/",
    ]
    if report:
        lines.append(f"Report:  {directory / 'report.html'}")
    return lines


def silent_populations(spikes: Mapping[str, Spikes], duration_ms: float) -> list[str]:
    """One line if populations fired no spike in the second half of a run of 500 ms or more.

    Args:
        spikes: By population, in order of time.
        duration_ms: Of the run, ms.
    """
    if duration_ms < _TELLING_MS:
        return []
    silent = []
    for population, fired in spikes.items():
        if not fired.times_ms.size:
            silent.append(f"{population} (none at all)")
        elif fired.times_ms[-1] < duration_ms / 2.0:
            silent.append(f"{population} (last at {fired.times_ms[-1]:.4g} ms)")
    if not silent:
        return []
    return [
        f"no spike in the second half of the run: {', '.join(silent)}. Too little input does that, "
        f"and so much that cells stay depolarised; record.traces shows which."
    ]
