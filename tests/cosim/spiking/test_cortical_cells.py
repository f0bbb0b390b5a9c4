"""Regular- and fast-spiking cells of Pospischil et al. 2008, and the circuit that uses them."""

import numpy as np
import pytest

from cosim.errors import ConfigurationError

# What the authors' own NEURON program gives (ModelDB 123623, as kept under test by Open Source
# Brain at dt 0.001 ms): crossings of 0 mV under a current from 300 to 700 ms.
RS_MS = [320.554, 348.522, 387.944, 456.690, 592.105]
FS_MS = [317.023 + 20.17173 * n for n in range(20)]


@pytest.fixture
def cells(load):
    return load("balanced_ei", order=2, cell="regular_spiking", recurrent_excitation=0.0)


@pytest.mark.parametrize(
    ("population", "current_nA", "published_ms"), [("E", 0.75, RS_MS), ("I", 0.5, FS_MS)]
)
def test_cells_spike_when_the_authors_program_does(
    soma_of, cells, population, current_nA, published_ms
):
    """Published to 1 us; the step, 1 us, is theirs. FS_MS rounds twenty intervals: 20 us."""
    *_, spikes = soma_of(cells, population, (current_nA, 300.0, 400.0), dt_ms=0.001, stop_ms=701.0)
    assert len(spikes) == len(published_ms)
    assert spikes == pytest.approx(published_ms, abs=0.002 if population == "E" else 0.02)


def test_the_error_of_the_default_step_is_of_first_order(soma_of, cells):
    """Halving the step from 0.05 ms halves the error of the fifth spike, which is a tenth of the
    last interval; terms of second order are then a tenth of it: 2 +- 0.2.
    """
    lags = []
    for dt_ms in (0.05, 0.025):
        *_, spikes = soma_of(cells, "E", (0.75, 300.0, 400.0), dt_ms=dt_ms, stop_ms=700.0)
        assert len(spikes) == len(RS_MS)
        lags.append(spikes - np.array(RS_MS))
    assert lags[0][4] / lags[1][4] == pytest.approx(2.0, abs=0.2)


def test_excitatory_cells_adapt_and_inhibitory_ones_do_not(soma_of, cells):
    """I_M makes the last interval of E 4.84 times the first (published times; a tenth for the step
    of 0.05 ms); those of I are equal.
    """
    for population, current_nA, ratio in (("E", 0.75, 4.84), ("I", 0.5, 1.0)):
        *_, spikes = soma_of(cells, population, (current_nA, 300.0, 400.0), stop_ms=700.0)
        intervals = np.diff(spikes)
        assert intervals[-1] / intervals[0] == pytest.approx(ratio, rel=0.1 if ratio > 1 else 1e-3)


def test_cells_are_those_of_neuron_by_hand(soma_of, cells):
    """The same section made with NEURON alone: the same potential at every step, to rounding."""
    from neuron import h

    t, v, _ = soma_of(cells, "E", (0.75, 20.0, 100.0), stop_ms=120.0)
    soma = h.Section(name="by_hand")
    soma.L = soma.diam = 96.0
    soma.Ra, soma.cm = 100.0, 1.0
    for mechanism in ("pas", "pospischil_nak", "pospischil_m"):
        soma.insert(mechanism)
    soma.g_pas, soma.e_pas, soma.ena, soma.ek = 1e-4, -70.0, 50.0, -100.0
    soma.gnabar_pospischil_nak, soma.gkbar_pospischil_nak = 0.05, 0.005
    soma.vt_pospischil_nak, soma.gbar_pospischil_m, soma.taumax_pospischil_m = -55.0, 7e-5, 1000.0
    electrode = h.IClamp(soma(0.5))
    electrode.amp, electrode.delay, electrode.dur = 0.75, 20.0, 100.0
    potential = h.Vector().record(soma(0.5)._ref_v)
    celsius = h.celsius
    h.celsius, h.dt = 36.0, 0.05
    h.finitialize(-70.0)
    for _ in t[1:]:
        h.fadvance()
    h.celsius = celsius
    assert v.max() > 20.0
    assert np.abs(v - np.array(potential)).max() < 1e-9


@pytest.mark.parametrize(("dt_ms", "mechanism"), [(0.05, "pospischil_nak")])
def test_rates_have_no_gap_where_their_formula_is_zero_over_zero(cells, dt_ms, mechanism):
    """At v - vt = 13, 40 and 15 mV a rate is x / (exp(x) - 1) at 0; its limit is 1."""
    from neuron import h

    ratio = getattr(h, f"ratio_{mechanism}")
    assert ratio(0.0) == 1.0
    assert ratio(1e-7) == pytest.approx(1.0, abs=1e-6)
    assert ratio(2e-6) == pytest.approx(2e-6 / np.expm1(2e-6), rel=1e-9)


def test_the_squids_node_is_unchanged_and_asks_for_no_mechanisms(load):
    circuit = load("balanced_ei")
    assert circuit.sim_config is None
    assert list(circuit.net_params.cellParams) == ["HH"]
    assert circuit.net_params.popParams["I"]["cellType"] == "HH"
    soma = circuit.net_params.cellParams["HH"]["secs"]["soma"]
    assert soma["mechs"] == {"hh": {"gnabar": 0.12, "gkbar": 0.036, "gl": 0.003, "el": -70.0}}
    assert soma["threshold"] == 10.0
    assert circuit.parameters == {"order": 100, "recurrent_excitation": 0.35, "cell": "hh"}


def test_an_unknown_cell_is_named_with_the_known_ones(load):
    with pytest.raises(ConfigurationError, match=r"Unknown cell 'regular-spiking'. Known: hh, reg"):
        load("balanced_ei", cell="regular-spiking")


def test_the_network_falls_silent_when_its_input_ends(in_regions, load, build, run):
    """200 ms of strong input to E and I, then 300 ms without: no spike in the last 200 ms."""
    engine = build(in_regions(load("balanced_ei", cell="regular_spiking"), "r"))
    ports = [engine.ports.add_input(f"r.{p}", "exc", np.array([0.05])) for p in "EI"]
    engine.initialize()
    rng = np.random.default_rng(3)
    for port in ports:
        n = rng.poisson(0.02 * 200 * port.gids.size)
        port.schedule(
            rng.integers(0, port.gids.size, n), np.zeros(n, np.int64), rng.random(n) * 200.0
        )
    spikes, *_ = run(engine, 5000)
    times = np.array([time for time, _ in spikes])
    assert (times < 200).sum() > 100
    assert not (times > 300).any()
