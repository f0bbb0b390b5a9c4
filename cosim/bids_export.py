"""Regional time series of a run as a BIDS derivative dataset.

BIDS 1.10 has no file type for regional time series. The names here are those of the extension
proposals that tools already write: ``_timeseries.tsv`` with a JSON sidecar (BEP012), in ``func/``
for BOLD and in ``timeseries/`` for everything else, as the proposal for computational models
(BEP034) wants. A ``.bidsignore`` names them, so that a validator checks the rest of the dataset.

References:
    Gorgolewski et al. (2016), Scientific Data 3:160044, doi:10.1038/sdata.2016.44.
    BEP034 "Computational modelling", pull request 967 of bids-standard/bids-specification.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cosim.errors import ConfigurationError, ResultsError
from cosim.labelled_series import LabelledSeries, monitor_series, regular_period_ms
from cosim.result_files import atomic_file
from cosim.results import RunResult

BIDS_VERSION = "1.10.0"
_BOLD = ("bold", "balloon")
_IGNORED = "*_timeseries.tsv\n*_timeseries.json\nsub-*/timeseries\n"
_README = """# Simulated regional time series

Nothing here was measured: a whole-brain mean field (The Virtual Brain) with spiking circuits
(NetPyNE, NEURON) in place of some regions. One folder per subject; `func/` holds BOLD,
`timeseries/` the other monitors. A column is a region, a row a sample, at the sampling frequency
and start of the JSON file beside it; `n/a` is a variable that a circuit does not provide.
`code/sub-LABEL_experiment.json` is the experiment; `cosim run` takes it where the files that it
names, if any, lie beside it.

BIDS has no file type for regional time series yet. The names follow BEP012 (`_timeseries.tsv`) and
BEP034 (computational models), and `.bidsignore` keeps validators from asking for a type. Of what
BEP034 asks, equations as LEMS and connectivity as files of their own are not here; the experiment
names the model and the connectome.
"""


def write_bids(
    result: RunResult,
    folder: str | Path,
    *,
    subject: str = "simulated",
    overwrite: bool = False,
) -> list[Path]:
    """Add a run to a BIDS derivative dataset, which is made if it is not there.

    Args:
        result: The run.
        folder: Root of the dataset.
        subject: Label of the subject, letters and digits.
        overwrite: Whether the files of a subject that is there already may be replaced.

    Returns:
        The tables that were written.

    Raises:
        ConfigurationError: If the label is not one of BIDS.
        ResultsError: If the run has no regional series, the folder holds another dataset or the
            same subject, or it cannot be written.
    """
    if not re.fullmatch("[0-9a-zA-Z]+", subject):
        raise ConfigurationError(
            f"--subject {subject}: labels of BIDS are letters and digits; leave out the others."
        )
    root = Path(folder)
    series = [one for one in monitor_series(result.mean_field) if one.axis == "region"]
    if not series:
        raise ResultsError(
            f"{result!r} has no series of regions; give the experiment a monitor such as bold."
        )
    _refuse_foreign(root)
    if (root / f"sub-{subject}").exists() and not overwrite:
        raise ResultsError(
            f"{root} holds sub-{subject} already; choose another --subject, or allow replacing it "
            f"with --overwrite."
        )
    try:
        return list(_write(result, root, subject, series))
    except OSError as error:
        raise ResultsError(
            f"Cannot write {root}: {error.strerror}; choose another folder."
        ) from error


def _write(
    result: RunResult, root: Path, subject: str, series: list[LabelledSeries]
) -> Iterator[Path]:
    for old in (root / f"sub-{subject}").glob("*/*_timeseries.*"):
        old.unlink()
    facts = result.provenance
    experiment: Mapping[str, Any] = facts.get("experiment", {})
    parcels = _parcels(experiment)
    for one in series:
        kind = "func" if one.source in _BOLD else "timeseries"
        stem = f"sub-{subject}_task-rest_seg-{parcels}_desc-{_label(one)}_timeseries"
        table = root / f"sub-{subject}" / kind / f"{stem}.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        _write_table(table, one)
        _write_json(table.with_suffix(".json"), _sidecar(one, subject))
        yield table
    _write_json(_made(root / "code") / f"sub-{subject}_experiment.json", experiment)
    _write_text(root / ".bidsignore", _IGNORED)
    _write_text(root / "README.md", _README)
    _write_json(root / "dataset_description.json", _description(facts))


def _sidecar(one: LabelledSeries, subject: str) -> dict[str, Any]:
    period_ms = regular_period_ms(one.times_ms)
    timing = {} if period_ms is None else {
        "SamplingFrequency": 1000.0 / period_ms,
        "StartTime": float(one.times_ms[0]) / 1000.0,
    }  # fmt: skip
    columns = {
        label: {"Description": f"{one.variable} of region {label}.", "Units": one.unit}
        for label in one.columns
    }
    own = {} if timing else {"time": {"Description": "Time of the sample.", "Units": "s"}}
    return {
        "Description": f"Simulated: monitor {one.source} of {one.variable}, one column per region.",
        "TaskName": "rest",
        **timing,
        "ModelParam": f"bids::code/sub-{subject}_experiment.json",
        **own,
        **columns,
    }


def _description(facts: Mapping[str, Any]) -> dict[str, Any]:
    versions: Mapping[str, str] = facts.get("versions", {})
    tools = ("tvb-netpyne-cosim", "tvb-library", "netpyne", "neuron")
    return {
        "Name": "Simulated regional time series of TVB x NetPyNE co-simulations",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {"Name": name, **({"Version": versions[name]} if name in versions else {})}
            for name in tools
        ],
    }


def _write_table(path: Path, one: LabelledSeries) -> None:
    even = regular_period_ms(one.times_ms) is not None
    header = one.columns if even else ("time", *one.columns)
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("\t".join(header) + "\n")
        for time_ms, row in zip(one.times_ms, one.values, strict=True):
            # The shortest text that reads back as the same number; BIDS writes n/a for no number.
            cells = [repr(float(x)) if np.isfinite(x) else "n/a" for x in row]
            file.write("\t".join(cells if even else [repr(float(time_ms) / 1e3), *cells]) + "\n")


def _label(one: LabelledSeries) -> str:
    """``temporalaverageSe``: a label of BIDS has letters and digits alone."""
    return re.sub("[^0-9a-zA-Z]", "", f"{one.source}{one.variable[:1].upper()}{one.variable[1:]}")


def _parcels(experiment: Mapping[str, Any]) -> str:
    brain = experiment.get("brain", {})
    named = brain.get("fitted") or brain.get("connectome") or "unknown"
    return re.sub("[^0-9a-zA-Z]", "", Path(str(named)).stem) or "unknown"


def _refuse_foreign(root: Path) -> None:
    description = root / "dataset_description.json"
    if not root.exists() or not any(root.iterdir()):
        return
    try:
        made_by = json.loads(description.read_text(encoding="utf-8"))["GeneratedBy"][0]["Name"]
    except (OSError, ValueError, LookupError, TypeError):
        made_by = None
    if made_by != "tvb-netpyne-cosim":
        raise ResultsError(
            f"{root} is neither empty nor a dataset of this program; give a folder of its own, "
            f"such as {root / 'derivatives' / 'cosim'}."
        )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_text(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
