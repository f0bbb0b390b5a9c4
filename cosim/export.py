"""A run in the formats of other tools: `cosim export DIR --nwb FILE --bids FOLDER`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cosim.bids_export import write_bids
from cosim.errors import ConfigurationError
from cosim.nwb_export import write_nwb
from cosim.results import RunResult


def export_run(
    directory: Path,
    nwb: Path | None,
    bids: Path | None,
    bin_ms: float,
    subject: str,
    overwrite: bool,
) -> Iterator[str]:
    """Export what is asked for.

    Args:
        directory: Folder of the run.
        nwb: NWB file to write.
        bids: BIDS derivative dataset to add to.
        bin_ms: Width of the bins of the population rates, ms.
        subject: Label of the subject in BIDS.
        overwrite: Whether what is there already may be replaced.

    Yields:
        A line per thing written.

    Raises:
        ConfigurationError: If neither is asked for, or an argument makes no sense.
        ResultsError: If the run cannot be read or the export not be written.
    """
    if nwb is None and bids is None:
        raise ConfigurationError("Nothing to export; give --nwb FILE, --bids FOLDER, or both.")
    if not bin_ms > 0:
        raise ConfigurationError(f"--bin-ms = {bin_ms:g}: must be above 0 ms.")
    if nwb is not None and nwb.exists() and not overwrite:
        raise ConfigurationError(
            f"{nwb} exists; choose another file, or allow replacing it with --overwrite."
        )
    with contextlib.closing(RunResult.open(directory)) as result:
        if not result.complete:
            yield f"Note: {directory} did not reach its end; what it flushed is exported."
        if nwb is not None:
            yield f"NWB:  {write_nwb(result, nwb, bin_ms=bin_ms)}"
        if bids is not None:
            tables = write_bids(result, bids, subject=subject, overwrite=overwrite)
            yield f"BIDS: {bids}, {len(tables)} tables of sub-{subject}"
