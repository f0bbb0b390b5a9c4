"""A spiking circuit as a user brings it: a name, a Python file, a NetPyNE JSON, or objects."""

import importlib.util
import inspect
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from cosim.errors import ConfigurationError, CosimError
from cosim.registry import unknown_name
from cosim.spiking.chatter import quiet
from cosim.spiking.interpreter import load_mechanisms, netpyne_specs
from cosim.spiking.library import Builder, LibraryCircuit
from cosim.spiking.library import circuits as circuits
from cosim.spiking.sonata import is_sonata, read_sonata


@dataclass(frozen=True)
class Circuit:
    """One spiking network, as NetPyNE describes it.

    Attributes:
        name: How the user knows it, for messages.
        net_params: ``netpyne.specs.NetParams``; never changed by this package.
        sim_config: ``netpyne.specs.SimConfig``, None if the circuit brings none.
        parameters: What it was built with, defaults included.
        entry: What is registered under its name; None for a user's own.
        builder: Function that made it; None for objects and files.
        mechanisms: Folder of .mod files that were made for it; None if there is none.
    """

    name: str
    net_params: Any
    sim_config: Any | None
    parameters: dict[str, Any]
    entry: LibraryCircuit | None = None
    builder: Builder | None = None
    mechanisms: Path | None = None

    @property
    def population_names(self) -> tuple[str, ...]:
        """Names of its populations, in the order in which NetPyNE creates them."""
        return tuple(str(name) for name in self.net_params.popParams)


def load_circuit(
    reference: object,
    parameters: Mapping[str, Any],
    base: Path,
    mechanisms: str | None = None,
) -> Circuit:
    """Find and build a circuit; its mechanisms are compiled, if need be, and loaded before.

    Args:
        reference: A registered name, ``path/to/file.py:function``, the path of a JSON file that
            NetPyNE saved, of a NeuroML 2 network (.nml) or of a SONATA circuit_config.json, a
            NetParams object, a pair (NetParams, SimConfig), or a function that returns either.
        parameters: Keyword arguments of the function.
        base: Folder that relative paths start from.
        mechanisms: Folder of .mod files that it needs beside those registered with it.

    Raises:
        ConfigurationError: If it cannot be found or built; one line with the cause.
    """
    netpyne_specs()  # before the user's file imports it: see there
    if mechanisms is not None:
        load_mechanisms(base / mechanisms)
    if isinstance(reference, Path):
        reference = str(reference)
    if isinstance(reference, str):
        path, _, function = reference.rpartition(":")
        if path.endswith(".py"):
            return _from_python_file(reference, base / path, function, parameters)
        if reference.endswith(".py"):
            raise ConfigurationError(
                f"Circuit {reference!r} names no function; write {reference}:function."
            )
        if reference.endswith(".json"):
            _refuse_parameters(reference, parameters)
            return _from_json(reference, base / reference)
        if reference.endswith(".nml"):
            _refuse_parameters(reference, parameters)
            return _from_neuroml(reference, base / reference)
        return _from_library(reference, parameters)
    if callable(reference) and not isinstance(reference, netpyne_specs().NetParams):
        return _from_function(getattr(reference, "__name__", "circuit"), reference, parameters)
    circuit = _as_circuit("netParams", reference, {})
    _refuse_parameters("netParams", parameters)
    return circuit


def _from_library(name: str, parameters: Mapping[str, Any]) -> Circuit:
    entry = circuits[name]
    if entry.mechanisms is not None:
        load_mechanisms(entry.mechanisms)
    return replace(_from_function(name, entry.build, parameters), entry=entry)


def _refuse_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    if parameters:
        raise ConfigurationError(
            f"Circuit {name!r} takes no parameters, got {', '.join(parameters)}; only circuits "
            f"made by a function do."
        )


def _from_function(name: str, function: Builder, parameters: Mapping[str, Any]) -> Circuit:
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"Circuit {name!r} is no function: {_one_line(error)}.") from error
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    names = [p.name for p in known.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    problems = [
        unknown_name(f"parameter of circuit {name!r}:", key, names)
        for key in parameters
        if key not in names and not takes_any
    ]
    problems += [
        f"Circuit {name!r} needs the parameter {key!r}, which has no default; add it to parameters."
        for key in names
        if known[key].default is inspect.Parameter.empty and key not in parameters
    ]
    if problems:
        raise ConfigurationError(*problems)
    try:
        # A builder may import cells, which makes NetPyNE print; what it writes to stderr is kept.
        with quiet(errors_too=False):
            built = function(**parameters)
    except CosimError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"Circuit {name!r} could not be built: {_one_line(error)}."
        ) from error
    values = {key: known[key].default for key in names} | dict(parameters)
    return replace(_as_circuit(name, built, values), builder=function)


def _from_python_file(
    name: str, path: Path, function: str, parameters: Mapping[str, Any]
) -> Circuit:
    if not path.is_file():
        raise ConfigurationError(
            f"Circuit {name!r}: there is no file {path}; paths are relative to the experiment file."
        )
    with _importable(path.parent):
        try:
            netpyne_specs()  # silenced there; the file's own import finds it loaded
            module = _load_module(path)
        except (Exception, SystemExit) as error:
            raise ConfigurationError(
                f"Circuit {name!r}: {path} could not be loaded: {_one_line(error)}."
            ) from error
        builder = getattr(module, function, None)
        if not callable(builder):
            known = [
                key
                for key, value in vars(module).items()
                if inspect.isfunction(value) and value.__module__ == module.__name__
            ]
            raise ConfigurationError(unknown_name(f"function in {path}:", function, known))
        return _from_function(name, builder, parameters)


def _load_module(path: Path) -> ModuleType:
    # A name of its own: two circuits may both be called network.py.
    name = f"cosim_circuit_{zlib.crc32(bytes(path.resolve())):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look the module up while it loads
    with quiet(errors_too=False):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let files of one folder import each other, and forget them afterwards."""
    entry = str(folder.resolve())
    before = set(sys.modules)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            # A helper.py of this folder must not answer for another circuit's helper.py.
            if file is not None and Path(file).resolve().is_relative_to(entry):
                del sys.modules[name]


def _from_json(name: str, path: Path) -> Circuit:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"Circuit {name!r}: {path} cannot be read ({error.strerror}); paths are relative to "
            f"the experiment file."
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"Circuit {name!r}: {path} is not JSON: {_one_line(error)}."
        ) from error
    if is_sonata(data):
        return _as_circuit(name, read_sonata(name, path, data), {})
    params = data
    if isinstance(data, dict) and isinstance(data.get("net"), dict):
        params = data["net"].get("params")
    if not isinstance(params, dict) or "popParams" not in params:
        raise ConfigurationError(
            f"Circuit {name!r}: {path} holds no netParams (net.params with popParams); save it "
            f"with netParams.save() or with 'netParams' in saveDataInclude."
        )
    specs = netpyne_specs()
    config = data.get("simConfig")
    built = specs.NetParams(params)
    _restore_order(built.popParams, data.get("net", {}).get("pops", {}))
    return _as_circuit(name, built if config is None else (built, specs.SimConfig(config)), {})


def _from_neuroml(name: str, path: Path) -> Circuit:
    from cosim.spiking.neuroml import read_neuroml

    net_params, sim_config, mechanisms = read_neuroml(name, path)
    load_mechanisms(mechanisms)
    circuit = _as_circuit(name, (net_params, sim_config), {})
    return replace(circuit, mechanisms=mechanisms)


def _restore_order(populations: Any, saved: Mapping[str, Any]) -> None:
    """NetPyNE saves keys sorted; the cells that it saved beside tell which came first."""
    first_gid = {name: min(pop.get("cellGids") or [0]) for name, pop in saved.items()}
    if set(first_gid) == set(populations):
        for name in sorted(first_gid, key=lambda name: first_gid[name]):
            populations.move_to_end(name)


def _as_circuit(name: str, built: object, parameters: dict[str, Any]) -> Circuit:
    specs = netpyne_specs()
    net_params, sim_config = built, None
    if isinstance(built, tuple) and len(built) == 2:
        net_params, sim_config = built
    if isinstance(net_params, dict):
        net_params = specs.NetParams(net_params)
    if isinstance(sim_config, dict):
        sim_config = specs.SimConfig(sim_config)
    if not isinstance(net_params, specs.NetParams) or not isinstance(
        sim_config, specs.SimConfig | None
    ):
        raise ConfigurationError(
            f"Circuit {name!r} gives {_describe(built)}; NetPyNE netParams, or netParams and "
            f"simConfig, are needed."
        )
    if not net_params.popParams:
        raise ConfigurationError(
            f"Circuit {name!r} has 0 populations; add at least one to netParams.popParams."
        )
    return Circuit(name, net_params, sim_config, parameters)


def _describe(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(type(item).__name__ for item in value)})"
    return "nothing" if value is None else f"an object of type {type(value).__name__}"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# The package's own circuits register themselves; they need the registry above.
import cosim.spiking.circuits  # noqa: E402, F401
