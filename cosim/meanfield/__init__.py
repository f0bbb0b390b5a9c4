"""The mean-field side: TVB's simulator with some of its regions replaced."""

import logging
import os
import tempfile
import warnings
from pathlib import Path

from cosim.compile_lock import compiling_alone


def _make_tvb_folders() -> None:
    """Make the folders for logs that TVB makes at its import.

    There TVB fails if another rank is faster, and if the home cannot be written, as in a container
    of another user; then they go to the folder for temporary files.
    """
    home = Path(os.environ.get("TVB_USER_HOME") or "~").expanduser()
    try:
        _make_below(home)
    except OSError:
        home = Path(tempfile.gettempdir()) / f"tvb-{os.getuid()}"
        home.mkdir(mode=0o700, exist_ok=True)
        # Everybody may write there: a folder, or a link, that another user made is not trusted.
        if home.lstat().st_uid != os.getuid():
            home = Path(tempfile.mkdtemp(prefix="tvb-"))
        _make_below(home)
        os.environ["TVB_USER_HOME"] = str(home)


def _make_below(home: Path) -> None:
    for name in ("logs", "TEMP"):
        (home / ".tvb-temp" / name).mkdir(parents=True, exist_ok=True)


_make_tvb_folders()
# TVB warns at import about a module that only surface simulations need, and its loggers report
# every optional file that a connectome lacks.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tvb.datatypes.connectivity
    import tvb.simulator.simulator  # noqa: F401

for _name in ("tvb", "tvb.basic.readers", "tvb.simulator", "tvb.datatypes"):
    logging.getLogger(_name).setLevel(logging.ERROR)

# Its functions are compiled as it is imported, by every rank of a first run at the same moment.
with compiling_alone("kernels"):
    import cosim.meanfield.kernels  # noqa: F401
