"""A script of the tests in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cosim


def told_by(script, *arguments):
    """What the script prints as JSON, given this checkout's package."""
    done = subprocess.run(
        [sys.executable, *(str(part) for part in (script, *arguments))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(cosim.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
