"""A NeuroML 2 network as NetPyNE's netParams.

NetPyNE's own import gives cells, populations, synapse names and current inputs as netParams, makes
the connections directly in its one network, and leaves ion channels, synapses and inputs to
mechanisms that somebody has compiled. Here its reader is used for the first part, connections
become rules with a list of pairs, so that several copies of the network can stand side by side,
and jNeuroML, which pyNeuroML brings along, writes the mechanisms.

A connection's weight is NeuroML's factor on ``gbase`` of the synapse, not a conductance.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from filelock import FileLock, Timeout

from cosim.errors import ConfigurationError
from cosim.spiking.chatter import one_line, quiet
from cosim.spiking.interpreter import netpyne_specs, neuroml_reader
from cosim.spiking.mechanisms import cache_folder

_LONGEST_CONVERSION_S = 300.0
# What NetPyNE's reader keeps on the class, where a second file would find it.
_SHARED = (
    "cellParams", "popParams", "pop_ids_vs_seg_ids_vs_segs", "pop_ids_vs_components",
    "pop_ids_vs_use_segment_groups_for_neuron", "pop_ids_vs_ordered_segs",
    "pop_ids_vs_cumulative_lengths", "projection_infos", "connections", "popStimSources",
    "stimSources", "popStimLists", "stimLists", "gids",
)  # fmt: skip


# Synapses whose conductances add up, so that connections of a cell may share one.
_LINEAR = ("exp_one_synapses", "exp_two_synapses", "alpha_synapses")
# NeuroML gives no step; NetPyNE's simConfig would bring one of its own.
_DT_MS = 0.05


def read_neuroml(name: str, path: Path) -> tuple[Any, Any, Path]:
    """A NeuroML file's network.

    Args:
        name: How the user calls it, for messages.
        path: The .nml file.

    Returns:
        NetPyNE's netParams and simConfig (which has the network's temperature, if it gives one),
        and the folder of the mechanisms that it needs.

    Raises:
        ConfigurationError: If it cannot be read, or holds what this does not translate.
    """
    if not path.is_file():
        raise ConfigurationError(
            f"Circuit {name!r}: there is no file {path}; paths are relative to the experiment file."
        )
    reader_class = neuroml_reader()
    if reader_class is None or importlib.util.find_spec("pyneuroml") is None:
        raise ConfigurationError(
            f"Circuit {name!r}: NeuroML needs pyNeuroML and libNeuroML, which are not installed; "
            f"install 'tvb-netpyne-cosim[formats]'."
        )
    specs = netpyne_specs()
    net_params, config = specs.NetParams(), specs.SimConfig()
    own = type("Reader", (reader_class,), {item: OrderedDict() for item in _SHARED})
    reader = own(net_params, simConfig=config, verbose=False)
    try:
        from neuroml.hdf5.NeuroMLXMLParser import NeuroMLXMLParser

        with quiet():
            parser = NeuroMLXMLParser(reader)
            parser.parse(str(path))
            reader.finalise()
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"Circuit {name!r}: {path} is no NeuroML 2 network that NetPyNE can read "
            f"({one_line(error)}); check it with: pynml {path.name} -validate."
        ) from error
    problems = list(_problems(name, parser.nml_doc, reader))
    if problems:
        raise ConfigurationError(*problems)
    document = parser.nml_doc
    _set_thresholds(net_params, document.cells)
    _add_connections(net_params, reader)
    linear = {synapse.id: synapse for kind in _LINEAR for synapse in getattr(document, kind)}
    for label, rule in net_params.synMechParams.items():
        if label in linear:
            rule["erev"] = _millivolt(linear[label].erev)
    config.dt = _DT_MS
    config.oneSynPerNetcon = any(label not in linear for label in net_params.synMechParams)
    return net_params, config, _mechanisms(name, path, document.networks[0].id)


def _problems(name: str, document: Any, reader: Any) -> Iterator[str]:
    """What NetPyNE would leave out, or make otherwise than NeuroML says; one line each."""
    here = f"Circuit {name!r}"
    if len(document.networks) != 1:
        yield f"{here}: the file holds {len(document.networks)} networks; exactly 1 is needed."
        return
    for projection, _, _, _, kind in reader.projection_infos.values():
        if kind != "projection":
            yield (
                f"{here}: {projection!r} is of kind {kind}; only chemical synapses (projection) "
                f"are read. Remove it, or give the circuit as netParams."
            )
    for label, rule in reader.popParams.items():
        if rule.get("originalFormat") == "NeuroML2_SpikeSource":
            yield (
                f"{here}: population {label!r} is made of spike sources, which are not read; "
                f"remove it, and drive the circuit by inputs of the experiment."
            )
    for label, source in reader.popStimSources.items():
        if source["originalFormat"] == "NeuroML2_stochastic_input":
            yield (
                f"{here}: input {label!r} draws random spikes, whose stream would depend on the "
                f"name of the copy; remove it, and drive the circuit by inputs of the experiment."
            )
    for projection, made in reader.connections.items():
        loops = sum(1 for connection in made if connection[0] == connection[3])
        if loops:
            yield (
                f"{here}: {loops} connection(s) of {projection!r} join a cell to itself, which "
                f"NetPyNE leaves out; remove them."
            )


def _set_thresholds(net_params: Any, cells: Iterable[Any]) -> None:
    """The cells' own spike threshold; NetPyNE's reader forgets it for simple morphologies."""
    for cell in cells:
        membrane = getattr(cell.biophysical_properties, "membrane_properties", None)
        for threshold in getattr(membrane, "spike_threshes", ())[:1]:
            for section in net_params.cellParams.get(cell.id, {}).get("secs", {}).values():
                section.setdefault("threshold", _millivolt(threshold.value))


def _millivolt(text: str) -> float:
    value, unit = re.fullmatch(r"\s*([-+.\deE]+?)\s*(m?V)\s*", text).groups()  # type: ignore[union-attr]
    return float(value) * (1.0 if unit == "mV" else 1000.0)


def _add_connections(net_params: Any, reader: Any) -> None:
    first = {population: min(gids) for population, gids in reader.gids.items() if len(gids)}
    for projection, (_, pre, post, synapse, _) in reader.projection_infos.items():
        made: Sequence[tuple[Any, ...]] = reader.connections[projection]
        if not made:
            continue
        source, _, _, target, section, location, delay_ms, weight = zip(*made, strict=True)
        net_params.connParams[projection] = {
            "preConds": {"pop": pre},
            "postConds": {"pop": post},
            "connList": [
                [a - first[pre], b - first[post]] for a, b in zip(source, target, strict=True)
            ],
            "weight": [float(w) for w in weight],
            "delay": [float(d) for d in delay_ms],
            "sec": list(section),
            "loc": [float(x) for x in location],
            "synMech": synapse,
        }


def _mechanisms(name: str, path: Path, network: str) -> Path:
    """A folder with the mechanisms of the file, written once by jNeuroML and kept."""
    jar = _jar()
    java = shutil.which("java")
    if jar is None or java is None:
        missing = "jNeuroML (of pyNeuroML)" if jar is None else "Java"
        raise ConfigurationError(
            f"Circuit {name!r}: NeuroML's channels and synapses become mechanisms by {missing}, "
            f"which was not found; install it (Java: version 8 or later, in PATH)."
        )
    key = hashlib.sha256(f"{jar.name}\0{network}\0".encode())
    for file in _with_includes(path):
        key.update(f"{file.name}\0".encode() + file.read_bytes())
    target = cache_folder().parent / "neuroml" / key.hexdigest()[:20]
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock", timeout=_LONGEST_CONVERSION_S):
            if not target.is_dir():
                _convert(name, path, network, [java, "-jar", str(jar)], target)
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"Circuit {name!r}: jNeuroML took more than {_LONGEST_CONVERSION_S:g} s for the "
            f"mechanisms of {path}; try it by hand: pynml {path.name} -validate."
        ) from None
    except (OSError, Timeout) as error:
        reason = getattr(error, "strerror", None) or "another process still writes them"
        raise ConfigurationError(
            f"Circuit {name!r}: mechanisms of {path} cannot be written into {target.parent} "
            f"({reason}); set XDG_CACHE_HOME to a folder that can be written."
        ) from error
    return target


def _convert(name: str, path: Path, network: str, command: Sequence[str], target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="convert-", dir=target.parent) as folder:
        place = Path(folder)
        (place / "LEMS_network.xml").write_text(
            '<Lems><Target component="run"/><Include file="Cells.xml"/>'
            '<Include file="Networks.xml"/><Include file="Simulation.xml"/>'
            f"<Include file={quoteattr(str(path.resolve()))}/>"
            f'<Simulation id="run" length="1ms" step="0.01ms" target="{network}"/></Lems>',
            encoding="utf-8",
        )
        done = subprocess.run(  # noqa: S603  (the user's own Java)
            [*command, "LEMS_network.xml", "-neuron", "-nogui"],
            cwd=place,
            env={**os.environ, "JAVA_TOOL_OPTIONS": "-Djava.awt.headless=true"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_LONGEST_CONVERSION_S,
        )
        made = [file for file in place.glob("*.mod") if file.stem != "pas"]  # NEURON has it
        if done.returncode != 0 or not made:
            raise ConfigurationError(
                f"Circuit {name!r}: jNeuroML could not write the mechanisms of {path}: "
                f"{_reason(done.stdout + done.stderr)}. Check it with: pynml {path.name} -validate."
            )
        finished = place / "finished"
        finished.mkdir()
        for file in made:
            file.rename(finished / file.name)
        finished.rename(target)


def _reason(output: str) -> str:
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"exception|error", line, re.IGNORECASE)]
    return (told or lines or ["it said nothing"])[0].rstrip(".")


def _jar() -> Path | None:
    spec = importlib.util.find_spec("pyneuroml")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "lib").glob("jNeuroML*.jar"))), None)


def _with_includes(path: Path, seen: Mapping[Path, None] | None = None) -> list[Path]:
    """The file and all that it includes, in the order of reading."""
    known = dict(seen or {})
    known[path.resolve()] = None
    for match in re.finditer(r"<include\s+href\s*=\s*[\"']([^\"']+)", path.read_text("utf-8")):
        file = (path.parent / match.group(1)).resolve()
        if file.is_file() and file not in known:
            known |= dict.fromkeys(_with_includes(file, known))
    return list(known)
