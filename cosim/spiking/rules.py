"""NetPyNE's rules with the labels of one circuit copy, confined to that copy."""

from collections.abc import Callable, Mapping
from typing import Any

from cosim.errors import ConfigurationError
from cosim.spiking.circuit import Circuit
from cosim.spiking.interpreter import netpyne_specs
from cosim.spiking.receptors import sections_of
from cosim.spiking.rxd_rules import rename_rxd

Rule = dict[str, Any]


def rename_circuit(
    circuit: Circuit, copy: str, populations: Mapping[str, str], *, confine: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """A circuit's netParams as plain data, its labels prefixed and its rules confined.

    Args:
        circuit: The circuit; not changed.
        copy: Label of this copy.
        populations: Composed label of each population.
        confine: Whether other circuits share the network.

    Returns:
        The netParams, and the composed label of each receptor by its own name.
    """
    renaming = _Renaming(circuit, copy, populations, confine)
    return renaming.params, renaming.receptors


class _Renaming:
    """The labels of one copy and the netParams rewritten with them."""

    def __init__(self, circuit: Circuit, copy: str, populations: Mapping[str, str], confine: bool):
        self._name, self._copy, self._confine = circuit.name, copy, confine
        self._pops = populations
        params = _plain_copy(circuit)
        self._types = {
            str(value): f"{copy}.{value}"
            for value in (
                *params["cellParams"],
                *(rule["cellType"] for rule in params["popParams"].values() if "cellType" in rule),
                *(
                    cell["cellType"]
                    for rule in params["popParams"].values()
                    for cell in rule.get("cellsList", ())
                    if "cellType" in cell
                ),
            )
        }
        self._synapses = {str(label): f"{copy}.{label}" for label in params["synMechParams"]}
        self._sources = {str(label): f"{copy}.{label}" for label in params["stimSourceParams"]}
        self.receptors = {**_point_receptors(params["cellParams"]), **self._synapses}
        rewrite: Mapping[str, tuple[Callable[[Any], str], Callable[[str, Rule], Rule]]] = {
            "cellParams": (self._prefixed, self._cell_rule),
            "popParams": (lambda label: self._pops[str(label)], self._population),
            "synMechParams": (self._prefixed, lambda _, rule: rule),
            "connParams": (self._prefixed, self._connection),
            "subConnParams": (self._prefixed, self._subcellular),
            "stimSourceParams": (self._prefixed, lambda _, rule: rule),
            "stimTargetParams": (self._prefixed, self._stimulation),
        }
        for kind, (relabel, change) in rewrite.items():
            params[kind] = {
                relabel(label): change(str(label), rule) for label, rule in params[kind].items()
            }
        params["rxdParams"] = rename_rxd(
            params["rxdParams"],
            copy,
            populations,
            [label for name, label in populations.items() if sections_of(circuit.net_params, name)],
            confine=confine,
        )
        self.params = params

    def _prefixed(self, label: object) -> str:
        return f"{self._copy}.{label}"

    def _cell_rule(self, label: str, rule: Rule) -> Rule:
        conditions = rule.get("conds") or {}
        if conditions or self._confine:
            # Without conditions NetPyNE compares the cell's type with the label; spelled out, as
            # it does so with a KeyError for another circuit's cells that have no type.
            rule["conds"] = self._confined(
                f"cellParams rule {label!r}",
                self._renamed(conditions) if conditions else {"cellType": self._types[label]},
            )
        if (
            self._confine
            and "diversityFraction" in rule
            and not {"cellType", "pop"} & {*conditions}
        ):
            raise ConfigurationError(
                f"Circuit {self._name!r}: cellParams rule {label!r} has a diversityFraction and "
                f"conds without cellType or pop, which NetPyNE cannot keep apart from another "
                f"circuit's; add one of them."
            )
        for section in (rule.get("secs") or {}).values():
            for synapse in section.get("synMechs", ()):
                if "label" in synapse:
                    synapse["label"] = _swap(synapse["label"], self._synapses)
        return rule

    def _population(self, label: str, rule: Rule) -> Rule:
        for tags in (rule, *rule.get("cellsList", ())):
            if "cellType" in tags:
                tags["cellType"] = _swap(tags["cellType"], self._types)
        rule.pop("pop", None)
        return rule

    def _connection(self, label: str, rule: Rule) -> Rule:
        return self._with_synapse(self._between(f"connParams rule {label!r}", rule))

    def _subcellular(self, label: str, rule: Rule) -> Rule:
        rule = self._between(f"subConnParams rule {label!r}", rule)
        if "groupSynMechs" in rule:
            rule["groupSynMechs"] = _swap(rule["groupSynMechs"], self._synapses)
        return rule

    def _stimulation(self, label: str, rule: Rule) -> Rule:
        what = f"stimTargetParams rule {label!r}"
        if str(rule.get("source")) not in self._sources:
            raise ConfigurationError(
                f"Circuit {self._name!r}: {what} names the source {rule.get('source')!r}; "
                f"stimSourceParams has {', '.join(self._sources) or 'none'}. Name one of them."
            )
        rule["source"] = self._sources[str(rule["source"])]
        rule["conds"] = self._confined(what, self._renamed(rule.get("conds") or {}))
        return self._with_synapse(rule)

    def _between(self, what: str, rule: Rule) -> Rule:
        for side in ("preConds", "postConds"):
            if side not in rule:
                raise ConfigurationError(
                    f"Circuit {self._name!r}: {what} has no {side}; add it ({{}} matches every "
                    f"cell of the circuit)."
                )
            rule[side] = self._confined(what, self._renamed(rule[side]))
        return rule

    def _with_synapse(self, rule: Rule) -> Rule:
        if rule.get("synMech"):
            rule["synMech"] = _swap(rule["synMech"], self._synapses)
        elif self._synapses:
            # NetPyNE takes the first of the network, which would be another circuit's.
            rule["synMech"] = next(iter(self._synapses.values()))
        return rule

    def _renamed(self, conditions: Rule) -> Rule:
        names = {"pop": self._pops, "cellType": self._types}
        return {key: _swap(value, names.get(key, {})) for key, value in conditions.items()}

    def _confined(self, what: str, conditions: Rule) -> Rule:
        if not self._confine:
            return conditions
        if "gid" in conditions:
            raise ConfigurationError(
                f"Circuit {self._name!r}: {what} has a condition on gid, which changes when "
                f"circuits share a network. Use pop, cellType or cellList, or replace one region."
            )
        if "pop" in conditions or "cellType" in conditions:
            return conditions  # their values carry the copy's prefix already
        return {**conditions, "pop": list(self._pops.values())}


def _plain_copy(circuit: Circuit) -> dict[str, Any]:
    specs = netpyne_specs()
    params = specs.NetParams(circuit.net_params.todict())
    if circuit.sim_config is not None:
        # A batch's links from simConfig values into netParams name labels that change below.
        params.setCfgMapping(circuit.sim_config)
    plain: dict[str, Any] = _old_keys_replaced(params.todict())
    return plain


def _old_keys_replaced(value: Any) -> Any:
    # NetPyNE still reads popLabel, the former key of pop.
    if isinstance(value, dict):
        return {
            ("pop" if key == "popLabel" else key): _old_keys_replaced(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_old_keys_replaced(item) for item in value]
    return value


def _swap(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list | tuple):
        return [_swap(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def _point_receptors(cell_rules: Mapping[Any, Rule]) -> dict[str, str]:
    """Receptors that a point neuron's mechanism brings; their names are its own."""
    return {
        name: name
        for rule in cell_rules.values()
        for section in (rule.get("secs") or {}).values()
        for point in section.get("pointps", {}).values()
        for name in point.get("synList", ())
    }
