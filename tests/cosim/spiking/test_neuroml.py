"""NeuroML 2 networks: what is read is what NetPyNE and NEURON themselves make of the file."""

import shutil
import sys
from itertools import pairwise

import pytest

from cosim.errors import ConfigurationError
from cosim.spiking import neuroml
from cosim.spiking.circuit import load_circuit

CELLS = {"E": 4, "I": 2}
installed = pytest.mark.skipif(shutil.which("java") is None, reason="Java writes the mechanisms")


def test_without_the_packages_one_line_says_what_to_install(load, monkeypatch):
    monkeypatch.setattr(neuroml, "neuroml_reader", lambda: None)
    with pytest.raises(ConfigurationError, match=r"install 'tvb-netpyne-cosim\[formats\]'\."):
        load("ei.net.nml")


def test_a_file_that_is_not_there_is_said_so(load):
    with pytest.raises(ConfigurationError, match=r"there is no file .*absent.nml; paths are"):
        load("absent.nml")


def test_a_file_takes_no_parameters(load):
    with pytest.raises(ConfigurationError, match="takes no parameters, got order"):
        load("ei.net.nml", order=3)


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("a file, not a folder")
    (tmp_path / "net.nml").write_text("<neuroml/>")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    monkeypatch.setattr(neuroml, "_jar", lambda: tmp_path / "jNeuroML.jar")
    monkeypatch.setattr(neuroml.shutil, "which", lambda name: name)
    with pytest.raises(ConfigurationError, match="set XDG_CACHE_HOME to a folder"):
        neuroml._mechanisms("net.nml", tmp_path / "net.nml", "net")


@installed
class TestNetwork:
    @pytest.fixture(autouse=True)
    def packages(self):
        pytest.importorskip("pyneuroml")

    def test_populations_connections_and_thresholds_are_netparams(self, load):
        net = load("ei.net.nml").net_params
        assert {name: len(rule["cellsList"]) for name, rule in net.popParams.items()} == CELLS
        rule = net.connParams["EtoI"]
        assert rule["connList"] == [[0, 0], [1, 1]]
        assert (rule["weight"], rule["delay"]) == ([1.0, 0.5], [2.0, 3.0])
        assert net.cellParams["hhcell"]["secs"]["soma"]["threshold"] == -20.0
        assert net.synMechParams["inh"] == {"mod": "inh", "erev": -75.0}

    def test_two_copies_are_twice_the_network(self, load, in_regions, build, connections):
        engine = build(in_regions(load("ei.net.nml"), "a", "b"))
        assert [engine.network.n_cells(label) for label in engine.network.populations] == [
            4,
            2,
            4,
            2,
        ]
        made = [(pre, post, weight) for pre, post, weight, _ in connections(engine)]
        one = [(0, 4, 1.0), (1, 5, 0.5), (4, 2, 1.0)]
        assert made == sorted(one + [(a + 6, b + 6, w) for a, b, w in one])

    def test_a_copy_fires_as_in_netpynes_own_import(
        self, load, data, in_regions, build, run, monkeypatch
    ):
        """NetPyNE forgets spikeThresh, so it is left out here too; spikes are then identical."""
        from netpyne import sim, specs

        monkeypatch.setattr(neuroml, "_set_thresholds", lambda *_: None)
        circuit = load("ei.net.nml")  # compiles and loads the mechanisms for both
        engine = build(in_regions(circuit, "r"), dt_ms=0.05)
        engine.initialize()
        spikes, _, _ = run(engine, 1000)
        engine.close()
        config = specs.SimConfig()
        config.dt, config.duration, config.hParams["v_init"] = 0.05, 100.0, -65.0
        sim.importNeuroML2(str(data / "ei.net.nml"), config, simulate=True, analyze=False)
        theirs = sorted(zip(sim.simData["spkt"], map(int, sim.simData["spkid"]), strict=True))
        sim.clearAll()
        assert len(theirs) > 5
        assert [(round(t, 6), gid) for t, gid in sorted(spikes)] == [
            (round(t, 6), gid) for t, gid in theirs
        ]

    def test_the_cell_is_hodgkin_and_huxleys(self, load, in_regions, build, run):
        """Its channels are those of NEURON's hh with its tables off.

        jNeuroML's mechanisms use the states of the step before, so times differ by order dt: the
        fourth spike (67 ms) by .35 ms at dt .05; a tenth of the step leaves a tenth of it.
        """
        from neuron import h

        circuit = load("ei.net.nml")
        apart_ms = []
        for dt_ms in (0.05, 0.005):
            engine = build(in_regions(circuit, "r"), dt_ms=dt_ms)
            engine.initialize()
            spikes, _, _ = run(engine, 1000)
            engine.close()
            soma = h.Section(name="by_hand")
            soma.L = soma.diam = 17.841242
            soma.insert("hh")
            h.usetable_hh = 0
            step = h.IClamp(soma(0.5))
            step.delay, step.dur, step.amp = 20, 60, 0.1
            times = h.Vector()
            detector = h.NetCon(soma(0.5)._ref_v, None, sec=soma)
            detector.threshold = -20
            detector.record(times)
            h.dt, h.celsius = dt_ms, 6.3
            h.finitialize(-65)
            while h.t < 100:
                h.fadvance()
            h.usetable_hh = 1
            apart_ms.append(abs([t for t, gid in spikes if gid == 0][3] - times[3]))
        assert apart_ms[0] < 0.5
        assert apart_ms[1] < 0.2 * apart_ms[0]

    def test_point_cells_fire_as_the_equation_says(self, tmp_path, in_regions, build, run):
        """tau = 20 ms, .4 nA lifts -60 to -52 mV: 20 ln(8/3) = 19.62 ms to -55 mV from rest at
        30 ms, then 20 ln(13/3) = 29.33 ms from the reset at -65 mV. Steps of .05 ms, and the
        reset is seen a step later, so within .1 ms each.
        """
        (tmp_path / "iaf.net.nml").write_text(
            '<neuroml xmlns="http://www.neuroml.org/schema/neuroml2" id="points">'
            '<iafCell id="point20ms" leakReversal="-60mV" thresh="-55mV" reset="-65mV" C="1nF" '
            'leakConductance="0.05uS"/>'
            '<pulseGenerator id="push" delay="30ms" duration="200ms" '
            'amplitude="0.4nA"/><network id="n">'
            '<population id="P" component="point20ms" size="2"/>'
            '<inputList id="i" component="push" population="P">'
            '<input id="0" target="../P[1]" destination="synapses"/></inputList>'
            "</network></neuroml>"
        )
        engine = build(in_regions(load_circuit("iaf.net.nml", {}, tmp_path), "r"), dt_ms=0.05)
        engine.initialize()
        spikes, _, _ = run(engine, 1200)
        times = [t for t, gid in spikes if gid == 1]
        assert {gid for _, gid in spikes} == {1}
        assert times[0] == pytest.approx(49.62, abs=0.1)
        assert [b - a for a, b in pairwise(times)] == pytest.approx([29.33, 29.33], abs=0.1)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (('postCellId="../I[0]"', 'postCellId="../E[0]"'), "join a cell to itself"),
            (("</neuroml>", '<network id="second"/></neuroml>'), "holds 2 networks; exactly 1"),
            (("</neuroml>", ""), "is no NeuroML 2 network that NetPyNE can read"),
            (('id="E" component', 'id="pop" component'), "is no NeuroML 2 network"),
        ],
    )  # fmt: skip
    def test_what_netpyne_would_leave_out_is_refused(self, data, tmp_path, change, message):
        text = (data / "ei.net.nml").read_text().replace(*change)
        if change[1] == 'postCellId="../E[0]"':
            text = text.replace('Population="I" synapse="exc"', 'Population="E" synapse="exc"')
            text = text.replace('"../I[1]"', '"../E[2]"')
        (tmp_path / "net.nml").write_text(text)
        with pytest.raises(ConfigurationError, match=message) as caught:
            load_circuit("net.nml", {}, tmp_path)
        assert all("\n" not in line for line in caught.value.problems)

    def test_mechanisms_are_written_once(self, load, monkeypatch):
        load("ei.net.nml")
        monkeypatch.setattr(neuroml, "_convert", lambda *_: sys.exit("written again"))
        load("ei.net.nml")

    @pytest.mark.parametrize(
        ("part", "message"),
        [
            (
                '<electricalProjection id="gaps" presynapticPopulation="P" '
                'postsynapticPopulation="P"><electricalConnection id="0" preCell="0" postCell="1" '
                'synapse="gj"/></electricalProjection>',
                "'gaps' is of kind electricalProjection; only chemical synapses",
            ),
            (
                '<population id="poisson" component="clock" size="2"/>',
                "population 'poisson' is made of spike sources, which are not read",
            ),
            (
                '<inputList id="noise" component="poissonInput" population="P">'
                '<input id="0" target="../P[1]" destination="synapses"/></inputList>',
                "input 'noise' draws random spikes",
            ),
            ("", "by Java, which was not found; install it"),
        ],
    )
    def test_what_is_not_translated_is_refused_in_one_line(
        self, tmp_path, monkeypatch, part, message
    ):
        monkeypatch.setattr(neuroml.shutil, "which", lambda name: None)
        (tmp_path / "net.nml").write_text(
            '<neuroml xmlns="http://www.neuroml.org/schema/neuroml2" id="parts">'
            '<iafCell id="pt" leakReversal="-60mV" thresh="-55mV" reset="-65mV" C="1nF" '
            'leakConductance="0.05uS"/><gapJunction id="gj" conductance="10pS"/>'
            '<expOneSynapse id="s1" gbase="5nS" erev="0mV" tauDecay="3ms"/>'
            '<poissonFiringSynapse id="poissonInput" averageRate="50Hz" synapse="s1" '
            'spikeTarget="./s1"/><spikeGenerator id="clock" period="20ms"/><network id="n">'
            f'<population id="P" component="pt" size="2"/>{part}</network></neuroml>'
        )
        with pytest.raises(ConfigurationError, match=message) as caught:
            load_circuit("net.nml", {}, tmp_path)
        assert len(caught.value.problems) == 1
