"""The command on a report's page, pasted into a shell, gives the spikes of the run again."""

import html
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from cosim import RunResult

SMALL = Path(__file__).parent / "data" / "small.yaml"
COSIM = Path(sys.executable).with_name("cosim")
OWN_CIRCUIT = """
from cosim.spiking.circuits.balanced_ei import balanced_ei

def smaller(order):
    return balanced_ei(order=order, recurrent_excitation=0.1)
"""

pytestmark = pytest.mark.mpi


def on_page(folder, pattern):
    text = (folder / "report.html").read_text(encoding="utf-8")
    return html.unescape(re.search(pattern, text, re.DOTALL).group(1))


def test_the_command_of_the_page_gives_the_same_spikes(launch, tmp_path):
    """Run on two ranks with changes of the command line, then what the page says, as a shell does.

    The circuit is the user's, from a file where the first was run, and so is the second.
    """
    changes = ("seed=12", "circuits.0.circuit=own.py:smaller")
    (tmp_path / "own.py").write_text(OWN_CIRCUIT)
    (tmp_path / "experiment.yaml").write_text(SMALL.read_text())
    options = [word for change in changes for word in ("--set", change)]
    done = launch(2, COSIM, "run", "experiment.yaml", *options, "-q", "-o", "first")
    assert done.status == 0, done.err
    first = tmp_path / "first"
    command = on_page(first, r'<pre id="command">(.*?)</pre>')
    path = f"{COSIM.parent}{os.pathsep}{os.environ['PATH']}"
    again = launch(None, "bash", "-e", "-c", command, PATH=path)
    assert again.status == 0, again.err
    a, b = (RunResult.open(tmp_path / name) for name in ("first", "rerun"))
    assert sum(one.times_ms.size for one in a.spikes.values()) > 10
    assert set(a.spikes) == set(b.spikes)
    for name, spikes in a.spikes.items():
        np.testing.assert_array_equal(spikes.times_ms, b.spikes[name].times_ms)
        np.testing.assert_array_equal(spikes.node_ids, b.spikes[name].node_ids)
    assert a.mean_field.equals(b.mean_field)
    digest = r"<th>spikes, SHA-256</th><td>(\w{64})</td>"
    assert on_page(first, digest) == on_page(tmp_path / "rerun", digest)
    a.close()
    b.close()
