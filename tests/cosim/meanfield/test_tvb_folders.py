"""TVB makes folders at its import: ranks may start together, and a home may be read-only."""

import os
import tempfile
from pathlib import Path

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


def test_a_place_that_somebody_else_made_is_not_used(tmp_path, monkeypatch):
    """Everybody may write to the folder for temporary files; uid 12345 has made nothing there."""
    monkeypatch.setenv("TVB_USER_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "tvb-12345").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    _make_tvb_folders()
    home = Path(os.environ["TVB_USER_HOME"])
    assert home.parent == tmp_path
    assert home.name not in ("tvb-12345", "file")
    assert (home / ".tvb-temp" / "logs").is_dir()
    assert not list((tmp_path / "tvb-12345").iterdir())
