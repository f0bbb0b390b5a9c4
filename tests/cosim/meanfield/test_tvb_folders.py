"""TVB makes folders at its import: ranks may start together, and a home may be read-only."""

import os
import tempfile

from cosim.meanfield import _make_tvb_folders


def test_a_new_home_gets_the_folders_and_keeps_them(tmp_path, monkeypatch):
    monkeypatch.delenv("TVB_USER_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for _ in range(2):
        _make_tvb_folders()
        assert {path.name for path in (tmp_path / ".tvb-temp").iterdir()} == {"logs", "TEMP"}
    assert "TVB_USER_HOME" not in os.environ


def test_a_home_in_which_nothing_can_be_made_is_replaced(tmp_path, monkeypatch):
    """Below a file, where root can make nothing either."""
    home = tmp_path / "home"
    home.write_text("")
    monkeypatch.setenv("TVB_USER_HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _make_tvb_folders()
    assert os.environ["TVB_USER_HOME"] == str(tmp_path / f"tvb-{os.getuid()}")
    assert (tmp_path / f"tvb-{os.getuid()}" / ".tvb-temp" / "logs").is_dir()
