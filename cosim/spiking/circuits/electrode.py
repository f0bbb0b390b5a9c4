"""A stimulating electrode in one population: checked, and in the words of the cells' mechanism."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cosim.errors import ConfigurationError, Problems
from cosim.registry import unknown_name

_WHERE = "basal_ganglia: stimulation"
# The paper multiplies the amplitude by this before it adds it to dV/dt.
_KAPPA = 8.0
# Second phase of a biphasic pulse: ten times weaker and longer, so the charge is returned.
_RECHARGE = 10.0
_FOREVER_MS = 1e9
_NUMBERS = {
    # key: (default, lower limit, what it is)
    "rate_hz": (0.0, 0.0, "pulses per second"),
    "amplitude": (0.0, -math.inf, "height of a pulse"),
    "pulse_width_ms": (0.3, 0.0, "length of a pulse"),
    "current": (0.0, -math.inf, "a constant part of dV/dt, mV/ms"),
    "start_ms": (0.0, 0.0, "a time of the run"),
    "stop_ms": (_FOREVER_MS, 0.0, "a time of the run"),
}
_SHAPES = {"biphasic": _RECHARGE, "monophasic": 0.0}


def electrode(
    stimulation: Mapping[str, Any] | None, populations: Sequence[str]
) -> tuple[str | None, dict[str, float]]:
    """Where an electrode is, and the parameters of the cells there.

    Args:
        stimulation: ``site``, a population, and pulses (``rate_hz``, ``amplitude``, 8 times which
            is added to dV/dt in mV/ms, ``pulse_width_ms``, ``shape``: biphasic | monophasic) or a
            constant ``current``, mV/ms, or both; ``start_ms`` and ``stop_ms``. None: no electrode.
        populations: The circuit's populations.

    Returns:
        The population, None without an electrode, and values of the mechanism's parameters.

    Raises:
        ConfigurationError: With one line per mistake.

    References:
        Meier et al. (2022) Exp. Neurol. 354:114111, doi:10.1016/j.expneurol.2022.114111, and its
        code: a biphasic pulse of amplitude 20 and 0.3 ms at 130 Hz into the STN, a monophasic one
        of -35 at 120 Hz, or -10 mV/ms into the GPi.
    """
    if stimulation is None:
        return None, {}
    if not isinstance(stimulation, Mapping):
        raise ConfigurationError(
            f"{_WHERE} = {stimulation!r}: give {{site: STN, rate_hz: 130, ..}}."
        )
    problems = Problems()
    known = ("site", "shape", *_NUMBERS)
    problems.lines += [
        f"{_WHERE}: {unknown_name('key', str(key), known)}"
        for key in stimulation
        if key not in known
    ]
    site = stimulation.get("site")
    if site not in populations:
        problems.lines.append(
            f"{_WHERE}.site: {unknown_name('population', str(site), populations)}"
        )
    shape = stimulation.get("shape", "biphasic")
    if shape not in _SHAPES:
        problems.lines.append(f"{_WHERE}.shape: {unknown_name('shape', str(shape), _SHAPES)}")
    values = {name: default for name, (default, _, _) in _NUMBERS.items()}
    for name, (_, lowest, meaning) in _NUMBERS.items():
        given = stimulation.get(name, values[name])
        if isinstance(given, bool) or not isinstance(given, int | float):
            problems.lines.append(f"{_WHERE}.{name} = {given!r} is not a number: {meaning}.")
        elif not (math.isfinite(given) and given >= lowest):
            least = "a finite number" if lowest < 0 else f"a finite number >= {lowest:g}"
            problems.lines.append(f"{_WHERE}.{name} = {given!r} is not {least}: {meaning}.")
        else:
            values[name] = float(given)
    problems.raise_if_any()
    _check_together(values, _SHAPES[shape])
    return str(site), {
        "stim_start": values["start_ms"],
        "stim_stop": values["stop_ms"],
        "stim_current": values["current"],
        "pulse_rate": values["rate_hz"],
        "pulse_amplitude": _KAPPA * values["amplitude"],
        "pulse_width": values["pulse_width_ms"],
        "recharge": _SHAPES[shape],
    }


def _check_together(values: Mapping[str, float], recharge: float) -> None:
    rate_hz, width_ms = values["rate_hz"], values["pulse_width_ms"]
    if values["stop_ms"] <= values["start_ms"]:
        raise ConfigurationError(
            f"{_WHERE}.stop_ms = {values['stop_ms']:g} is not after start_ms = "
            f"{values['start_ms']:g}; give a later time, or leave it out."
        )
    if (rate_hz > 0) != (values["amplitude"] != 0):
        raise ConfigurationError(
            f"{_WHERE}: rate_hz = {rate_hz:g} with amplitude = {values['amplitude']:g}; pulses "
            f"need both. A constant stimulation is current."
        )
    if rate_hz == 0 and values["current"] == 0:
        raise ConfigurationError(
            f"{_WHERE}: neither pulses nor a current; give rate_hz and amplitude, or current."
        )
    if rate_hz > 0 and width_ms == 0:
        raise ConfigurationError(f"{_WHERE}.pulse_width_ms = 0: a pulse has a length; give 0.3.")
    longest_ms = width_ms * (1 + recharge)
    if rate_hz > 0 and longest_ms > 1000.0 / rate_hz:
        raise ConfigurationError(
            f"{_WHERE}: a pulse and its recharge take {longest_ms:g} ms, longer than the "
            f"{1000.0 / rate_hz:g} ms between pulses at {rate_hz:g} Hz; shorten pulse_width_ms, "
            f"lower rate_hz or use shape: monophasic."
        )
