"""Set runs side by side: `cosim compare A B [C ...]`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim import comparison_figures as draw
from cosim.comparison import Comparison, compare_folders
from cosim.errors import ConfigurationError, ResultsError
from cosim.result_files import atomic_file

COMPARISON_FILE, PICTURE_FILE = "comparison.json", "comparison.png"


def compare(
    reference: str | Path,
    others: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    skip_ms: float = 1000.0,
    base: str | Path = ".",
) -> list[Comparison]:
    """Set runs side by side with a reference.

    Args:
        reference: Folder of a run, or of one run per seed.
        others: Each the same; runs of several seeds are paired by their names.
        output: Folder for ``comparison.json`` and ``comparison.png``; None writes nothing.
        skip_ms: Time at the start of each run that is left out, ms.
        base: Folder that the connectome of the experiment is relative to.

    Returns:
        One comparison per other.

    Raises:
        ConfigurationError: If an argument makes no sense.
        ResultsError: If the runs cannot be read or compared.
    """
    if not others:
        raise ConfigurationError("One run alone cannot be compared; give two or more folders.")
    if not skip_ms >= 0:
        raise ConfigurationError(f"--skip-ms = {skip_ms:g}: must be 0 ms or more.")
    found = [compare_folders(Path(reference), Path(other), skip_ms, Path(base)) for other in others]
    if output is not None:
        folder = Path(output)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(
                f"{folder} cannot be made: {error.strerror}; choose another with --output."
            ) from error
        content = [_plain(one) for one in found]
        with atomic_file(folder / COMPARISON_FILE) as path:
            path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
        with atomic_file(folder / PICTURE_FILE) as path:
            path.write_bytes(draw.picture(found))
    return found


def _plain(one: Comparison) -> dict[str, Any]:
    """A comparison in JSON's own types, numbers to seven digits."""
    return {
        "reference": str(one.reference),
        "other": str(one.other),
        "replaced": list(one.replaced),
        "neighbours": list(one.neighbours),
        "interval": one.interval,
        **one.facts,
        "notes": list(one.notes),
        "measures": [asdict(measure) for measure in one.measures],
        "spectra": [
            {
                "variable": spectrum.variable,
                "where": spectrum.where,
                "frequency_hz": _numbers(spectrum.frequencies_hz),
                "a": _numbers(spectrum.a),
                "b": _numbers(spectrum.b),
            }
            for spectrum in one.spectra
        ],
        "regions": list(one.regions),
        "fc": {"a": _numbers(one.fc[0]), "b": _numbers(one.fc[1])},
        "fcd": {"a": _numbers(one.fcd[0]), "b": _numbers(one.fcd[1])},
    }


def _numbers(values: NDArray[np.float64]) -> Any:
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values]
