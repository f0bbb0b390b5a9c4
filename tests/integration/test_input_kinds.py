"""What arrives as a variable or a current is the mean field's own coupling, at the right step.

The oracle is written out in NumPy from TVB's definition: over step n a region feels
``G J_N sum_j C_ij S_j(t_n - tau_ij)``. That TVB itself follows it is checked on a region that is
not replaced, by the rate that follows from it.
"""

from pathlib import Path

import numpy as np
import pytest

import cosim
from cosim.plan import plan

DATA = Path(__file__).parent / "data"
READ_BACK = {"from": "E", "to": "S_e", "gating": {"pointp": "holder", "var": "x"}}
VARIABLE = {"pointp": "holder", "var": "x"}
STEPS = 300


def experiment(*inputs, window_ms="auto", others=(), duration_ms=STEPS / 10, **changes):
    return cosim.Experiment(
        seed=5,
        duration_ms=duration_ms,
        base=DATA,
        brain=cosim.Brain(
            parameters={"G": 0.2},
            noise={"S_e": 2e-3, "S_i": 1e-3},
            monitors={"raw": cosim.Monitor(period_ms=0.1)},
        ),
        synchronization=cosim.Synchronization(window_ms=window_ms),
        circuits=[
            cosim.Circuit(
                circuit="holding.py:cells",
                mechanisms="holder",
                regions=["rPCUN"],
                inputs=list(inputs),
                outputs=[READ_BACK],
                **changes,
            ),
            *others,
        ],
    )


def of(result, variable, region=None):
    values = result.mean_field["raw"].sel(variable=variable)
    return values.values if region is None else values.sel(region=region).values


def felt(planned, S, initial, region):
    """G J_N sum_j C_ij S_j(t_n - tau_ij) for every step n; row n of S is the end of step n."""
    brain, i = planned.connectome, planned.connectome.index(region)
    delays = brain.delay_steps(0.1)[i]
    total = np.zeros(len(S))
    for j in np.flatnonzero(brain.weights[i]):
        for n in range(len(S)):
            before = n - delays[j] - 1
            total[n] += brain.weights[i, j] * (S[before, j] if before >= 0 else initial[j])
    return 0.2 * 0.15 * total


@pytest.fixture(scope="module")
def coupled():
    made = experiment({"from": "coupling", "as": "variable", "variable": VARIABLE})
    return plan(made), cosim.run(made)


def test_the_coupling_arrives_as_the_mean_field_defines_it(coupled):
    planned, result = coupled
    expected = felt(planned, of(result, "S_e"), planned.initial[0], "rPCUN")
    np.testing.assert_allclose(of(result, "S_e", "rPCUN"), expected, rtol=0, atol=1e-10)
    assert np.ptp(expected) > 1e-5


def test_the_definition_is_the_one_that_tvb_follows(coupled):
    """R_e of a region of TVB's own is H of its state and of the same sum; TVB keeps S in float32,
    so x agrees to 310 G J_N sum_j C_ij 6e-8, far below 1e-4."""
    planned, result = coupled
    region = "lPCUN"
    S_e, S_i = of(result, "S_e", region), of(result, "S_i", region)
    coupling = felt(planned, of(result, "S_e"), planned.initial[0], region)
    # The rate over step n follows from the state at its start.
    current = 0.382 + 0.15 * 1.4 * S_e[:-1] - S_i[:-1] + coupling[1:]
    x = 310 * current - 125
    expected = x / (1 - np.exp(-0.16 * x))
    np.testing.assert_allclose(of(result, "R_e", region)[1:], expected, rtol=0, atol=1e-4)


def test_nothing_depends_on_the_window():
    item = {"from": "coupling", "as": "variable", "variable": VARIABLE}
    long, short = cosim.run(experiment(item)), cosim.run(experiment(item, window_ms=0.1))
    np.testing.assert_array_equal(of(long, "S_e"), of(short, "S_e"))


def test_scale_and_offset_make_the_value():
    """offset + scale * G * sum_j C_ij R_j; the delayed rates are those recorded over each step."""
    item = {"from": "R_e", "as": "variable", "variable": VARIABLE, "scale": 1e-3, "offset": 0.25}
    made = experiment(item)
    planned, result = plan(made), cosim.run(made)
    R, brain = of(result, "R_e"), planned.connectome
    i = brain.index("rPCUN")
    delays = brain.delay_steps(0.1)[i]
    expected = np.full(STEPS, 0.25)
    for j in np.flatnonzero(brain.weights[i]):
        steps = np.arange(STEPS) - delays[j]
        sent = np.where(steps >= 0, R[np.maximum(steps, 0), j], planned.initial_rates_hz[0, j])
        expected += 1e-3 * 0.2 * brain.weights[i, j] * sent
    np.testing.assert_allclose(of(result, "S_e", "rPCUN"), expected, rtol=0, atol=1e-12)


def test_the_coupling_of_another_replaced_region_is_felt_too():
    """rPCUN reads what lPCUN, replaced by spiking cells, sends through its gating variable."""
    other = cosim.Circuit(
        circuit="balanced_ei",
        regions=["lPCUN"],
        parameters={"order": 10},
        dt_ms=0.05,
        inputs=[{"from": "coupling", "rate_scale": 5e4, "weight_uS": 0.05}],
    )
    made = experiment(
        {"from": "coupling", "as": "variable", "variable": VARIABLE}, others=[other], dt_ms=0.05
    )
    planned, result = plan(made), cosim.run(made)
    assert np.ptp(of(result, "S_e", "lPCUN")) > 1e-3
    expected = felt(planned, of(result, "S_e"), planned.initial[0], "rPCUN")
    np.testing.assert_allclose(of(result, "S_e", "rPCUN"), expected, rtol=0, atol=1e-10)


def passive():
    """One passive cylinder of 100 MOhm: 18.8 um, 2.2e-5 cm2 x g = 10 nS."""
    from cosim.spiking.interpreter import netpyne_specs

    net = netpyne_specs().NetParams()
    area_cm2 = np.pi * 18.8**2 * 1e-8
    soma = {"geom": {"L": 18.8, "diam": 18.8}}
    soma["mechs"] = {"pas": {"g": 1e-8 / area_cm2, "e": -70.0}}
    soma["pointps"] = {"holder": {"mod": "Holder", "loc": 0.5}}
    net.cellParams["cell"] = {"secs": {"soma": soma}}
    net.popParams["E"] = {"cellType": "cell", "numCells": 1}
    return net


def test_an_injected_current_moves_a_passive_cell_by_ohms_law():
    """10 nS of leak alone: V follows -70 + 100 MOhm * I with a time constant of C / g = 1.1 ms
    (1 uF/cm2 x 1.11e-5 cm2 / 10 nS). Over the last 10 ms I moves by less than 1 %, which a lag of
    1.1 ms turns into less than 0.2 % of the depolarisation."""
    made = cosim.Experiment(
        duration_ms=60.0,
        brain=cosim.Brain(monitors={"raw": cosim.Monitor(period_ms=0.1)}),
        circuits=[
            cosim.Circuit(
                circuit=passive(),
                mechanisms=str(DATA / "holder"),
                regions=["rPCUN"],
                inputs=[{"from": "R_e", "as": "current", "scale": 0.01}],
                outputs=[{"from": "E", "to": "S_e", "gating": {"pointp": "holder", "var": "x"}}],
            )
        ],
    )
    with pytest.MonkeyPatch.context() as patch:
        voltages = _watch_voltage(patch)
        result = cosim.run(made)
    brain = plan(made).connectome
    i, R = brain.index("rPCUN"), of(result, "R_e")
    sources = np.flatnonzero(brain.weights[i])
    # What left before the run is the resting rate, as in the first step.
    steps = np.maximum(len(R) - 1 - brain.delay_steps(0.1)[i][sources], 0)
    sent = R[steps, sources]
    current_nA = 0.01 * 0.2 * brain.weights[i][sources] @ sent
    assert current_nA > 0.01
    assert voltages[-1] + 70.0 == pytest.approx(100.0 * current_nA, rel=2e-3)


def _watch_voltage(patch):
    """Membrane potential of the one cell after each window, which no output of a run shows."""
    from cosim.spiking.engine import NeuronEngine

    seen = []
    advance = NeuronEngine.advance

    def watch(engine, stop_step):
        advance(engine, stop_step)
        (cell,) = engine.network.cells.values()
        seen.append(float(cell.secs["soma"]["hObj"](0.5).v))

    patch.setattr(NeuronEngine, "advance", watch)
    return seen


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"from": "coupling", "as": "spikes", "coupling": "per_source"}, "which is one sum"),
        ({"as": "variable"}, "needs variable"),
        ({"as": "current", "receptor": "exc"}, "receptor has no meaning with as: current"),
        ({"as": "variable", "variable": VARIABLE, "weight_uS": 1.0}, "weight_uS has no meaning"),
        ({"from": "R_x", "as": "current"}, "Unknown rate of reduced_wong_wang_exc_inh 'R_x'"),
        ({"as": "variable", "variable": {"pointp": "holdr", "var": "x"}}, "Did you mean 'holder'"),
        ({"as": "variable", "variable": {"pointp": "holder", "var": "y"}}, "no variable 'y'"),
        ({"as": "current", "where": {"sec": "dend"}}, r"where\.sec: Unknown section 'dend'"),
    ],
)
def test_a_mistake_is_said_in_one_line(item, said):
    with pytest.raises((cosim.CosimError, ValueError), match=said):
        cosim.run(experiment(item))
