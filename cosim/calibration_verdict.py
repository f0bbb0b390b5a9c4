"""Whether the circuits follow their mean field with what was found, and by how much they miss."""

from collections.abc import Sequence

import numpy as np

from cosim.calibrated_region import CalibratedRegion
from cosim.calibration_file import Curves, InputValues, RegionCalibration
from cosim.calibration_settings import NotCalibratableError
from cosim.transfer_curve import Rates


def judged(
    regions: Sequence[CalibratedRegion],
    before: Sequence[Rates],
    after: Sequence[Rates],
    rates: Sequence[str],
    felt: str,
    tolerance: float,
) -> dict[str, RegionCalibration]:
    """The calibration of each region, if all follow their mean field.

    Args:
        regions: The regions, calibrated.
        before: Rates with the inputs as written, at every point of the curve.
        after: Rates with those that were found.
        rates: Rates of the mean field.
        felt: The one that other regions feel, which is judged.
        tolerance: Largest part by which it may miss.

    Raises:
        NotCalibratableError: If one misses by more than that and than the noise of a measurement.
    """
    found, missed, too_active = {}, [], []
    for region in regions:
        result = _result(region, before, after, rates, felt)
        found[region.name] = result
        curves = result.curves
        wanted = np.array(curves.mean_field_hz[felt])
        error = np.array(curves.standard_error_hz[felt])
        # What lies within the noise of a measurement is no miss.
        allowed = np.maximum(tolerance * wanted, 3.0 * error)
        off = np.abs(np.array(curves.circuit_hz[felt]) - wanted) - allowed
        if off.max() > 0:
            at = int(np.argmax(off))
            got, meant = curves.circuit_hz[felt][at], wanted[at]
            if got > meant:
                too_active.append(region.name)
            missed.append(
                f"{region.name}: at {curves.source_factor[at]:g} times the sources' rates "
                f"{felt} is {got:.3g} Hz instead of {meant:.3g} Hz, "
                f"{100 * (got / meant - 1):+.0f} % where {100 * tolerance:.0f} "
                f"% is allowed (--tolerance); the best inputs found: {_words(result)}."
            )
    if missed:
        raise NotCalibratableError(
            " ".join(missed),
            [sweep for r in regions for sweep in r.sweeps.values()],
            {name: result.curves for name, result in found.items()},
            too_active,
        )
    return found


def _result(
    region: CalibratedRegion,
    before: Sequence[Rates],
    after: Sequence[Rates],
    rates: Sequence[str],
    felt: str,
) -> RegionCalibration:
    given = [r for r in rates if (r, region.name) in after[0].blocks_hz]

    def of(measured: Sequence[Rates]) -> dict[str, list[float]]:
        return {r: [one.mean_hz(r, region.name) for one in measured] for r in given}

    target = region.target
    curves = Curves(
        source_factor=target.factors.tolist(),
        coupling_nA=target.coupling_nA.tolist(),
        mean_field_hz={r: target.rates_hz[:, rates.index(r)].tolist() for r in given},
        circuit_hz=of(after),
        standard_error_hz={r: [one.error_hz(r, region.name) for one in after] for r in given},
        before_hz=of(before),
    )
    rest = target.rest
    ratio = {
        r: np.array(curves.circuit_hz[r]) / np.array(curves.mean_field_hz[r]) - 1.0 for r in given
    }
    judged_ratio = ratio[felt]
    residual = {
        "rest": float(judged_ratio[rest]),
        "largest": float(judged_ratio[int(np.argmax(np.abs(judged_ratio)))]),
        "rms": float(np.sqrt((judged_ratio**2).mean())),
    }
    for rate in given:
        if rate != felt:
            residual["inhibitory_rest"] = float(ratio[rate][rest])
    written = region.section.model_dump(include={"circuit", "parameters"})
    return RegionCalibration(
        circuit=written["circuit"],
        parameters=written["parameters"],
        inputs=[
            InputValues(
                input=knob.position,
                to=knob.item.to,
                **knob.settings(region.unknowns[region.part(rate)]),
            )
            for rate, knob in region.knobs.items()
        ],
        curves=curves,
        residual=residual,
    )


def _words(result: RegionCalibration) -> str:
    return "; ".join(
        f"to {item.to} " + ", ".join(f"{key} {value:.4g}" for key, value in item.values.items())
        for item in result.inputs
    )
