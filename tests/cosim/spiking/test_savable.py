"""Which mechanisms are refused when a run is to be saved, judged by their source text."""

from pathlib import Path

import pytest

import cosim
from cosim.spiking.savable import mechanism_problems

LIBRARY = Path(cosim.__file__).parent / "spiking" / "circuits" / "mechanisms"


def problem(text):
    return " ".join(mechanism_problems({"m": text}))


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.mod")), ids=lambda path: path.stem)
def test_every_mechanism_of_the_library_can_be_saved(path):
    assert problem(path.read_text()) == ""


def test_neurons_own_mechanisms_can_be_saved_but_pattern_stim():
    """What comes with NEURON, with the text that it was compiled from."""
    from cosim.spiking.interpreter import neuron_hoc

    h = neuron_hoc()
    texts = {}
    for kind in (0, 1):
        types, name = h.MechanismType(kind), h.ref("")
        for index in range(int(types.count())):
            types.select(index)
            types.selected(name)
            texts[str(name[0])] = str(types.code())
    assert {"hh", "Exp2Syn", "NetStim", "PatternStim"} <= texts.keys()
    own = ("hh", "pas", "IClamp", "ExpSyn", "Exp2Syn", "AlphaSynapse", "SEClamp", "VClamp",
           "NetStim", "IntFire1", "IntFire2", "IntFire4", "PatternStim", "APCount")  # fmt: skip
    refused = list(mechanism_problems({name: texts[name] for name in own}))
    assert len(refused) == 1
    assert "'PatternStim' keeps data behind a BBCOREPOINTER" in refused[0]


FLUCTUATING = """
NEURON { POINT_PROCESS Fluct RANGE g_mean  NONSPECIFIC_CURRENT i }
PARAMETER { g_mean = 1 }
ASSIGNED {
    v (mV)
    i (nA)
    g_now (uS)   : the conductance's own course
    factor
}
INITIAL { g_now = 0  factor = exp(-dt) }
BREAKPOINT { SOLVE move  i = (g_mean + g_now) * v }
PROCEDURE move() { g_now = factor * g_now + normrand(0, 1) }
"""


def test_a_hidden_variable_that_is_carried_on_is_named():
    assert "carries g_now from step to step without making it RANGE or STATE" in problem(
        FLUCTUATING
    )
    assert problem(FLUCTUATING.replace("RANGE g_mean", "RANGE g_mean, g_now")) == ""
    # SaveState holds every variable of what receives events.
    assert problem(f"{FLUCTUATING} NET_RECEIVE (w) {{ g_now = g_now + w }}") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NEURON { BBCOREPOINTER rng }", "BBCOREPOINTER"),
        ("NEURON { POINTER p }\nVERBATIM\n void* x;\nENDVERBATIM\n", "POINTER and VERBATIM"),
        ("VERBATIM\nstatic int n = 0;\nENDVERBATIM\n", "static variables"),
        (
            "NET_RECEIVE (w) { if (flag == 1) { WATCH (v > 0) 2 } else { WATCH (v < -40) 3 } }",
            "several WATCH",
        ),
        ("NET_RECEIVE (w) { WATCH (v > 0) 2 }", "later than at t = 0"),
    ],
)
def test_state_where_neuron_does_not_look_is_refused(text, said):
    line = problem(text)
    assert said in line
    assert line.startswith("checkpoint: mechanism 'm' ")
    assert "\n" not in line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "COMMENT\nBBCOREPOINTER and WATCH, WATCH\nENDCOMMENT\nNEURON { SUFFIX x }",
        "NEURON { SUFFIX x }  : a POINTER\n? WATCH WATCH\n",
        "NEURON { POINTER vgap }",  # a gap junction: set anew in every step
        "INITIAL { net_send(0, 1) } NET_RECEIVE (w) { if (flag == 1) { WATCH (v > 0) 2 } }",
    ],
)
def test_what_only_looks_like_it_is_not(text):
    assert problem(text) == ""
