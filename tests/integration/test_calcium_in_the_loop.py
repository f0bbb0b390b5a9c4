"""Molecules in the experiment file: the knobs of ``calcium_sk`` reach the brain."""

import pytest

import cosim


def run(duration_ms, **levels_mM):
    """One region per keyword, with its level of IP3; inputs and outputs are the circuit's own."""
    experiment = cosim.Experiment(
        duration_ms=duration_ms,
        brain=cosim.Brain(parameters={"G": 0.2}, noise={"S_e": 0.001, "S_i": 0.001}),
        circuits=[
            cosim.Circuit(
                circuit="calcium_sk",
                regions=[region],
                parameters={"ip3_mM": ip3_mM},
                dt_ms=0.1,
            )
            for region, ip3_mM in levels_mM.items()
        ],
    )
    return cosim.run(experiment)


@pytest.mark.slow
def test_the_default_inputs_keep_it_at_the_rates_of_the_mean_field():
    """At rest the mean field has 3.08 and 3.92 Hz; 1 to 3 s of 60 cells at 3 Hz are 360 spikes.

    Input is shared between cells, so counts scatter more than Poisson's 5 %: four times that.
    """
    rates = run(3000.0, rPCUN=1e-4).rates(bin_ms=1000.0).isel(time=slice(1, None)).mean("time")
    assert float(rates.sel(population="rPCUN.E")) == pytest.approx(3.08, rel=0.2)
    assert float(rates.sel(population="rPCUN.I")) == pytest.approx(3.92, rel=0.2)


def test_two_regions_have_their_own_ip3():
    """2 uM in one region: it falls silent, its neighbour with 0.1 uM does not."""
    result = run(600.0, rPCUN=1e-4, lPCUN=2e-3)
    rates = result.rates(bin_ms=300.0).isel(time=1)
    assert float(rates.sel(population="rPCUN.E")) > 1.5
    assert float(rates.sel(population="lPCUN.E")) < 0.3
