"""The circuit with calcium inside: its chemistry, its channels, and what they do to its rate."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from cosim.errors import ConfigurationError
from cosim.spiking.circuits.calcium_store import calcium_store, resting
from cosim.spiking.interpreter import load_mechanisms
from cosim.spiking.library import circuits

FARADAY = 96485.33  # C/mol


@pytest.fixture
def store(load):
    """A circuit of two E cells and one I cell with a store of one's own making."""

    def make(ip3_mM, *, closed=True, cell="point", channels=0.0, buffer_mM=0.15, change=None):
        circuit = load(
            "calcium_sk", order=2, cell=cell, sk_S_per_cm2=0.0, calcium_S_per_cm2=channels
        )
        rxd = calcium_store(["E"], ip3_mM, buffer_mM, 2.0, closed=closed)
        if change is not None:
            change(rxd)
        circuit.net_params.rxdParams = rxd
        return circuit

    return make


@pytest.fixture
def species():
    """A species' concentrations on a region of an engine, mM, and the volumes, um3."""

    def of(engine, label, region="cyt"):
        rxd = engine.network.sim.net.rxd
        one = rxd["species"][f"r.{label}"]["hObj"]
        nodes = one[rxd["regions"][f"r.{region}"]["hObj"]].nodes
        return np.array(nodes.concentration), np.array([node.volume for node in nodes])

    return of


@pytest.fixture
def amount(species):
    """All calcium of the network, mM um3, and that of each pool."""

    def of(engine):
        pools = [
            species(engine, *where) for where in (("ca", "cyt"), ("ca", "er"), ("bound", "cyt"))
        ]
        return np.array([float(values @ volumes) for values, volumes in pools])

    return of


def start_at(**values):
    def change(rxd):
        for label, value in values.items():
            rxd["species"][label]["initial"] = value

    return change


# -- channels -----------------------------------------------------------------------------------


@pytest.fixture
def h():
    from neuron import h

    load_mechanisms(circuits["calcium_sk"].mechanisms)
    return h


def test_sk_opens_by_its_hill_curve_with_its_time_constant(h):
    """1 / (1 + (0.43 uM / ca)^4.8), reached as 1 - exp(-t / 1 ms); half open at 0.43 uM."""
    section = h.Section(name="alone")
    section.insert("SKcalcium")
    for ca_mM in (0.0, 1e-5, 1e-4, 2e-4, 4.3e-4, 1e-3, 1e-1):
        expected = ca_mM**4.8 / (ca_mM**4.8 + 4.3e-4**4.8)
        assert section(0.5).SKcalcium.activation(ca_mM) == pytest.approx(expected, abs=1e-14)
    assert section(0.5).SKcalcium.activation(4.3e-4) == 0.5
    assert section(0.5).SKcalcium.activation(-1e-20) == 0.0
    h.dt = 0.05
    section(0.5).cai = 5e-5
    h.finitialize(-65)
    z0 = section(0.5).SKcalcium.z
    section(0.5).cai = 1e-3
    for _ in range(40):
        h.fadvance()
    end = section(0.5).SKcalcium.activation(1e-3)
    assert section(0.5).SKcalcium.z == pytest.approx(end + (z0 - end) * np.exp(-2.0), rel=1e-12)
    current = section(0.5).SKcalcium.gbar * section(0.5).SKcalcium.z * (section.v - section.ek)
    assert section(0.5).SKcalcium.ik == pytest.approx(current, rel=0.05)


@pytest.mark.parametrize("v_mV", [-80.0, -27.0, -15.0, 0.0, 30.0])
def test_the_calcium_channel_has_the_published_kinetics(h, v_mV):
    """Reuveni et al.: rates at a potential; at -27 mV the quotient 0/0 tends to 0.055 * 3.8."""
    section = h.Section(name="alone")
    section.insert("CaHVAcalcium")
    section(0.5).CaHVAcalcium.gbar = 1e-3
    h.finitialize(v_mV)
    x = -27.0 - v_mV
    a_m = 0.055 * x / np.expm1(x / 3.8) if x else 0.055 * 3.8
    b_m = 0.94 * np.exp((-75.0 - v_mV) / 17.0)
    a_h = 0.000457 * np.exp((-13.0 - v_mV) / 50.0)
    b_h = 0.0065 / (np.exp((-v_mV - 15.0) / 28.0) + 1.0)
    m, gate = a_m / (a_m + b_m), a_h / (a_h + b_h)
    assert section(0.5).CaHVAcalcium.m == pytest.approx(m, rel=1e-9)
    assert section(0.5).CaHVAcalcium.h == pytest.approx(gate, rel=1e-9)
    expected = 1e-3 * m**2 * gate * (v_mV - section.eca)
    assert section(0.5).CaHVAcalcium.ica == pytest.approx(expected, rel=1e-9)


# -- chemistry ----------------------------------------------------------------------------------


def test_a_closed_cell_keeps_its_calcium(store, in_regions, build, amount, species):
    """Far from equilibrium calcium moves between the pools by tens of percent, and none is lost.

    Each pool's change is the same number with two signs; what remains is the solver's rounding,
    1e-16 in each of 4000 steps at most: 1e-12.
    """
    engine = build(in_regions(store(1e-3, change=start_at(ca=1e-3, bound=0.0)), "r"), dt_ms=0.05)
    engine.initialize()
    before = amount(engine)
    buffer_before = species(engine, "buffer")[0] + species(engine, "bound")[0]
    engine.advance(2000)
    after = amount(engine)
    assert np.all(np.abs(after / before.clip(1e-9) - 1) > 0.1)
    assert after.sum() == pytest.approx(before.sum(), rel=1e-12)
    total = species(engine, "buffer")[0] + species(engine, "bound")[0]
    np.testing.assert_allclose(total, buffer_before, rtol=1e-12)


def test_a_buffer_alone_reaches_the_root_of_its_quadratic(store, in_regions, build, species):
    """ca + b = T, ca (B - b) = K b; the slowest rate, kf (ca + B - b + K), is 16 per ms."""

    def without_store(rxd):
        start_at(ca=5e-3, bound=0.0, buffer=0.15)(rxd)
        del rxd["multicompartmentReactions"]["store"]

    engine = build(in_regions(store(1e-4, change=without_store), "r"))
    engine.initialize()
    engine.advance(500)
    total, buffer, half = 5e-3, 0.15, 0.01
    b = total + buffer + half
    free = total - (b - np.sqrt(b * b - 4 * total * buffer)) / 2
    np.testing.assert_allclose(species(engine, "ca")[0], free, rtol=1e-9)


def root_um(ip3_um, pump_per_s):
    """Every flux of the literature written out in uM and s, and solved one after another."""
    enters = 2.0 * 0.05 + 2.0 * 0.4 * ip3_um**2 / (ip3_um**2 + 1.0**2)
    free = brentq(lambda c: enters - pump_per_s * c, 0.0, 100.0, xtol=1e-15)
    q2 = 1.049 * (ip3_um + 0.13) / (ip3_um + 0.9434)
    gate = brentq(lambda h: 0.2 * q2 * (1 - h) - 0.2 * free * h, 0.0, 1.0, xtol=1e-15)
    m3 = (ip3_um / (ip3_um + 0.13) * free / (free + 0.08234) * gate) ** 3

    def into_cytosol(store_um):
        serca = 0.9 * free**2 / (free**2 + 0.1**2)
        return 0.185 * (6.0 * m3 + 0.11) * (store_um - free) - serca

    return free, gate, brentq(into_cytosol, 0.0, 1e4, xtol=1e-12)


@pytest.mark.parametrize(("ip3_um", "pump_per_s"), [(0.0, 2.0), (0.1, 2.0), (1.0, 1.0), (9.0, 3.0)])
def test_a_silent_cell_rests_at_the_root_of_its_balance(
    load, in_regions, build, species, ip3_um, pump_per_s
):
    """It starts there and stays for 1 s, but for the trickle through calcium channels at rest."""
    free, gate, store_um = root_um(ip3_um, pump_per_s)
    circuit = load("calcium_sk", order=2, ip3_mM=ip3_um * 1e-3, pump_per_s=pump_per_s)
    engine = build(in_regions(circuit, "r"))
    engine.initialize()
    for stop in (0, 10_000):
        engine.advance(max(stop, 1))
        np.testing.assert_allclose(species(engine, "ca")[0] * 1e3, free, rtol=2e-4)
        np.testing.assert_allclose(species(engine, "ip3r")[0], gate, rtol=2e-4)
        np.testing.assert_allclose(species(engine, "ca", "er")[0] * 1e3, 16 * store_um, rtol=2e-4)


def test_a_cell_that_starts_elsewhere_comes_to_rest_there(store, in_regions, build, species):
    """IP3 of 1 uM, start at the rest of 0.1 uM; the slowest rate is 0.13 per s, so 120 s leave
    exp(-15) = 3e-7 of the way, and what is compared is the steady state of NEURON's scheme."""
    there = resting(1e-4, 0.15, 2.0)

    def start(rxd):
        start_at(bound=there.bound, buffer=0.15 - there.bound, ip3r=there.gate)(rxd)
        rxd["species"]["ca"]["initial"] = f"{there.free} if node.region == cyt else {there.store}"

    engine = build(
        in_regions(store(1e-3, closed=False, change=start), "r"), dt_ms=1.0, mean_field_dt_ms=1.0
    )
    engine.initialize()
    engine.advance(120_000)
    free, gate, store_um = root_um(1.0, 2.0)
    np.testing.assert_allclose(species(engine, "ca")[0] * 1e3, free, rtol=1e-5)
    np.testing.assert_allclose(species(engine, "ip3r")[0], gate, rtol=1e-5)
    np.testing.assert_allclose(species(engine, "ca", "er")[0] * 1e3, 16 * store_um, rtol=1e-5)


def li_rinzel(_, y, ip3_um, total_um):
    """The two equations as published, uM and s."""
    c, h = y
    opened = (ip3_um / (ip3_um + 0.13) * c / (c + 0.08234) * h) ** 3
    er = (total_um - c) / 0.185
    q2 = 1.049 * (ip3_um + 0.13) / (ip3_um + 0.9434)
    dc = 0.185 * (6.0 * opened + 0.11) * (er - c) - 0.9 * c * c / (c * c + 0.1**2)
    return [dc, 0.2 * (q2 - (q2 + c) * h)]


def test_a_closed_cell_oscillates_as_li_and_rinzels(store, in_regions, build, species):
    """IP3 0.5 uM, 2 uM of calcium per volume of cytosol: the published equations oscillate.

    With a buffer as good as never occupied (dissociation constant times 1000, so is the amount)
    the capacity is constant and the two are the same equations; first-order in time with 1 ms,
    period and peak agree within 1 %. With the default buffer its occupation is left out there.
    """
    span = np.arange(0.0, 100.0, 0.01)
    expected = solve_ivp(
        li_rinzel, (0, 100), [0.1, 0.8], t_eval=span, args=(0.5, 2.0), rtol=1e-9, atol=1e-12
    ).y[0]

    def dilute(rxd):
        start_at(ip3r=0.8, buffer=150.0 * 10.0 / (10.0 + 1e-4))(rxd)
        start_at(bound=150.0 * 1e-4 / (10.0 + 1e-4))(rxd)
        in_store = 16 * (2e-3 - 1e-4) / 0.185
        rxd["species"]["ca"]["initial"] = f"1e-4 if node.region == cyt else {in_store}"
        rxd["reactions"]["buffering"]["rate_b"] = 100.0 * 10.0

    engine = build(in_regions(store(5e-4, change=dilute), "r"), dt_ms=1.0, mean_field_dt_ms=1.0)
    engine.initialize()
    found = []
    for stop in range(10, 100_010, 10):
        engine.advance(stop)
        found.append(engine.network.cells[0].secs["soma"]["hObj"](0.5).cai * 1e3)
    period, peak = cycle(np.array(found)[4000:])
    expected_period, expected_peak = cycle(expected[4000:])
    assert expected_peak > 0.3
    assert period == pytest.approx(expected_period, rel=0.01)
    assert peak == pytest.approx(expected_peak, rel=0.01)


def cycle(trace, dt_s=0.01):
    """Mean time between upward crossings of the middle, s, and the largest value."""
    middle = (trace.max() + trace.min()) / 2
    up = np.flatnonzero((trace[:-1] < middle) & (trace[1:] >= middle))
    return np.diff(up).mean() * dt_s, trace.max()


def test_what_enters_with_a_spike_is_the_charge_that_crossed(store, in_regions, build, amount):
    """Closed but for the channel: calcium gained = integral of -ica over the membrane / 2 F.

    The current of a step is what NEURON hands over at its start, so the sum is exact to rounding.
    """
    engine = build(in_regions(store(1e-4, channels=1e-3), "r"), dt_ms=0.05, mean_field_dt_ms=0.05)
    port = engine.ports.add_input("r.E", "exc", np.array([0.2]))
    engine.initialize()
    port.schedule(np.array([0]), np.array([0]), np.array([2.0]))
    before = amount(engine).sum()
    soma = engine.network.cells[0].secs["soma"]["hObj"](0.5)
    others = [
        engine.network.cells[g].secs["soma"]["hObj"](0.5)
        for g in engine.network.local_gids("r.E")[1:]
    ]
    entered = 0.0
    for step in range(1, 401):
        engine.advance(step)
        current_mA = sum(seg.ica * seg.area() * 1e-8 for seg in (soma, *others))
        entered -= current_mA * 1e-3 * 0.05e-3 / (2 * FARADAY)  # mol
    assert engine.take_spikes()[0].size == 1
    gained = (amount(engine).sum() - before) * 1e-18  # mM um3 is 1e-18 mol
    assert gained == pytest.approx(entered, rel=1e-3)
    assert gained > 1e-18


def test_calcium_evens_out_along_a_dendrite_and_none_is_lost(
    store, in_regions, build, amount, species
):
    """The slowest mode decays at D (pi / 2 L)^2 = 5.5e-5 per ms at most (a dendrite of 100 um held
    at its end): after 300 s, exp(-16) of it is left. What the soma adds only makes it faster.
    """

    def uneven(rxd):
        del rxd["multicompartmentReactions"]["store"]
        rxd["species"]["ca"]["initial"] = "1e-3 * node.x if node.region == cyt else 0"
        start_at(bound=0.0, buffer=0.0)(rxd)

    engine = build(
        in_regions(store(1e-4, cell="dendritic", change=uneven), "r"), dt_ms=2.0,
        mean_field_dt_ms=2.0,
    )  # fmt: skip
    engine.initialize()
    before = amount(engine).sum()
    values, _ = species(engine, "ca")
    assert values.max() > 4 * values.min()
    engine.advance(150_000)
    values, _ = species(engine, "ca")
    np.testing.assert_allclose(values, values[0], rtol=1e-6)
    assert amount(engine).sum() == pytest.approx(before, rel=1e-9)


# -- the network --------------------------------------------------------------------------------


def rates(engine, port, n_steps=8000):
    """Rate of E, Hz, from 300 ms on, with inputs at 8 Hz, the same each time."""
    engine.initialize()
    n_cells = engine.network.n_cells("r.E")
    rng = np.random.default_rng(5)
    n_spikes = 0
    for start in range(0, n_steps, 1000):
        n = rng.poisson(n_cells * 8.0 * 0.1)
        times = np.sort(start * 0.1 + 100.0 * rng.random(n))
        port.schedule(rng.integers(0, n_cells, n), np.zeros(n, dtype=np.int64), times)
        engine.advance(start + 1000)
        times, gids = engine.take_spikes()
        n_spikes += int(np.sum((times > 300.0) & (gids < n_cells)))
    return n_spikes / n_cells / (n_steps * 1e-4 - 0.3)


@pytest.mark.parametrize(
    ("knob", "values"),
    [
        ("ip3_mM", (1e-5, 5e-4, 2e-3)),
        ("pump_per_s", (4.0, 1.0, 0.3)),
        ("sk_S_per_cm2", (0.0, 0.01, 0.05)),
    ],
)
def test_the_rate_falls_as_the_knob_says(load, in_regions, build, knob, values):
    """The same spikes into 12 E cells each time, so a difference is the knob's, not chance.

    IP3 and a slow pump raise the calcium of a silent cell, SK channels answer to it. (The mean
    calcium of a firing cell need not rise: fewer spikes bring less of it.)
    """
    found = []
    for value in values:
        engine = build(in_regions(load("calcium_sk", order=10, **{knob: value}), "r"))
        port = engine.ports.add_input("r.E", "exc", np.array([0.02]))
        found.append(rates(engine, port))
        engine.close()
    assert found[0] > 3.0
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.75 * found[0]


def test_ip3_acts_on_the_rate_through_sk_alone(load, in_regions, build):
    """Without SK channels its whole range changes no spike count by more than one."""
    found = []
    for ip3_mM in (1e-5, 2e-3):
        circuit = load("calcium_sk", order=10, ip3_mM=ip3_mM, sk_S_per_cm2=0.0)
        engine = build(in_regions(circuit, "r"))
        found.append(rates(engine, engine.ports.add_input("r.E", "exc", np.array([0.02]))))
        engine.close()
    assert found[0] == pytest.approx(found[1], abs=1.01 / 12 / 0.5)


def test_more_buffer_makes_a_spikes_calcium_smaller_and_rest_the_same(
    load, in_regions, build, species
):
    peaks, rests = [], []
    for buffer_mM in (0.05, 0.15, 0.5):
        engine = build(in_regions(load("calcium_sk", order=2, buffer_mM=buffer_mM), "r"))
        port = engine.ports.add_input("r.E", "exc", np.array([0.2]))
        engine.initialize()
        rests.append(species(engine, "ca")[0].mean())
        port.schedule(np.array([0]), np.array([0]), np.array([1.0]))
        engine.advance(150)
        peaks.append(species(engine, "ca")[0].max())
        engine.close()
    assert rests[0] == rests[1] == rests[2]
    assert peaks[0] > 1.5 * peaks[1] > 3 * peaks[2] > 3 * rests[2]


def test_knobs_of_two_copies_stay_apart(load, in_regions, build, poisson_events):
    """0.1 and 2 uM IP3 side by side: the first copy's potentials and calcium are those it has
    alone, bit for bit."""
    circuits_ = [load("calcium_sk", order=5, ip3_mM=ip3_mM) for ip3_mM in (1e-4, 2e-3)]
    found = []
    for n_copies in (1, 2):
        engine = build(
            [c for one, r in zip(circuits_[:n_copies], "rs", strict=False)
             for c in in_regions(one, r)]
        )  # fmt: skip
        port = engine.ports.add_input("r.E", "exc", np.array([0.14]))
        engine.initialize()
        port.schedule(*poisson_events(port, 0, 3000, 0.1, 20.0))
        engine.advance(3000)
        cells = [engine.network.cells[g] for g in range(8)]
        found.append([(c.secs["soma"]["hObj"].v, c.secs["soma"]["hObj"].cai) for c in cells[:6]])
        if n_copies == 2:
            second = engine.network.cells[8].secs["soma"]["hObj"].cai
        engine.close()
    assert found[0] == found[1]
    assert second == pytest.approx(resting(2e-3, 0.15, 2.0).free, rel=1e-2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cell": "branch"}, r"cell = 'branch' is none of point, dendritic"),
        ({"ip3_mM": -1e-4}, r"ip3_mM = -0.0001 is not a number from 0 to 0.1"),
        ({"ip3_mM": 0.5}, r"ip3_mM = 0.5 .*1 uM is 0.001 mM"),
        ({"buffer_mM": "much"}, r"buffer_mM = 'much' is not a number"),
        ({"pump_per_s": 0}, r"pump_per_s = 0 is not a number above 0 to 1000"),
        ({"sk_S_per_cm2": float("nan")}, r"sk_S_per_cm2 = nan"),
        ({"calcium_S_per_cm2": True}, r"calcium_S_per_cm2 = True"),
        ({"order": 1}, r"order = 1"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(load, wrong, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        load("calcium_sk", **wrong)
    assert "\n" not in str(caught.value)
