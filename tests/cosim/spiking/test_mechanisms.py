"""Mechanisms are compiled once per content, loaded once, and never silently replaced."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.errors import ConfigurationError
from cosim.spiking import mechanisms
from cosim.spiking.mechanisms import clashes, compiled, content_key, mechanisms_in

HOLDER = """
NEURON {{ POINT_PROCESS {name} RANGE x }}
PARAMETER {{ x = {value} }}
"""


@pytest.fixture
def folder(tmp_path):
    """Make a folder of .mod files from their contents."""

    def make(name="mods", **files):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        for file, text in files.items():
            (place / f"{file}.mod").write_text(text)
        return place

    return make


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of compiled mechanisms."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tvb-netpyne-cosim" / "mechanisms"


def python(code, **environment):
    """Run code in a fresh interpreter, where nothing is loaded."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def said(process):
    out, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    return out.strip()


LOAD = (
    "from pathlib import Path; from cosim.spiking.interpreter import load_mechanisms, neuron_hoc;"
    "load_mechanisms(Path({folder!r})); h = neuron_hoc();"
    "s = h.Section(name='s'); print(h.{name}(s(0.5)).x)"
)


def test_the_name_is_read_past_comments(folder):
    text = "COMMENT\nSUFFIX wrong\nENDCOMMENT\n: SUFFIX wrong\n? SUFFIX wrong\n" + HOLDER.format(
        name="Right", value=1
    )
    (found,) = mechanisms_in(folder(a=text))
    assert found.name == "Right"


def test_what_names_no_mechanism_is_refused(folder, tmp_path):
    with pytest.raises(ConfigurationError, match="there is no folder"):
        mechanisms_in(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"holds 0 \.mod files; at least 1 is needed"):
        mechanisms_in(folder("empty"))
    with pytest.raises(ConfigurationError, match="has no SUFFIX, POINT_PROCESS or"):
        mechanisms_in(folder("bare", a="PARAMETER { x = 1 }"))


def test_two_files_of_one_name_are_refused_with_both(folder):
    place = folder(a=HOLDER.format(name="Same", value=1), b=HOLDER.format(name="Same", value=2))
    with pytest.raises(ConfigurationError, match=r"'Same' of .*b\.mod is also defined by .*a\.mod"):
        mechanisms_in(place)


def test_a_name_that_neuron_has_is_refused(folder):
    found = mechanisms_in(folder(a="NEURON { SUFFIX hh }"))
    (line,) = clashes(found, {}, ["hh", "pas"])
    assert "'hh'" in line
    assert "NEURON itself" in line


def test_the_key_is_that_of_the_content(folder):
    one = folder("one", a=HOLDER.format(name="A", value=1))
    same = folder("same", a=HOLDER.format(name="A", value=1))
    (same / "README.txt").write_text("not read by the compiler")
    other = folder("other", a=HOLDER.format(name="A", value=2))
    assert content_key(one) == content_key(same)
    assert content_key(one) != content_key(other)


def test_mechanisms_are_compiled_once_and_leave_the_folder_alone(folder, cache):
    place = folder(a=HOLDER.format(name="Once", value=1))
    library = compiled(place, "9.0.2")
    made = library.stat().st_mtime_ns
    assert compiled(place, "9.0.2") == library
    assert library.stat().st_mtime_ns == made
    assert [file.name for file in place.iterdir()] == ["a.mod"]
    assert compiled(place, "9.0.3") != library


def test_processes_that_want_the_same_at_once_share_one_library(folder, cache):
    place = folder(a=HOLDER.format(name="Shared", value=4))
    code = LOAD.format(folder=str(place), name="Shared")
    started = [python(code) for _ in range(3)]
    assert [said(process) for process in started] == ["4.0"] * 3
    assert len([entry for entry in cache.iterdir() if entry.is_dir()]) == 1


def test_two_folders_with_files_of_one_name_are_kept_apart(folder, cache):
    one = folder("one", same=HOLDER.format(name="First", value=1))
    two = folder("two", same=HOLDER.format(name="Second", value=2))
    code = (
        "from pathlib import Path;"
        "from cosim.spiking.interpreter import load_mechanisms, neuron_hoc;"
        f"[load_mechanisms(Path(p)) for p in ({str(one)!r}, {str(two)!r}, {str(one)!r})];"
        "h = neuron_hoc(); s = h.Section(name='s'); print(h.First(s(.5)).x, h.Second(s(.5)).x)"
    )
    assert said(python(code)) == "1.0 2.0"


def test_another_content_under_a_loaded_name_is_refused(folder, cache):
    one = folder("one", a=HOLDER.format(name="Taken", value=1))
    two = folder("two", b=HOLDER.format(name="Taken", value=2))
    code = (
        "from pathlib import Path; from cosim.spiking.interpreter import load_mechanisms\n"
        f"load_mechanisms(Path({str(one)!r}))\n"
        f"try: load_mechanisms(Path({str(two)!r}))\n"
        "except Exception as error: print(error)"
    )
    line = said(python(code))
    assert "b.mod is also defined by" in line
    assert "a.mod" in line


def test_what_the_compiler_refuses_is_told_in_one_line(folder, cache):
    place = folder(a="NEURON { SUFFIX broken }\nBREAKPOINT { this is not nmodl }")
    with pytest.raises(ConfigurationError, match="could not be compiled") as caught:
        compiled(place, "9.0.2")
    assert "\n" not in str(caught.value)
    assert not [entry for entry in cache.iterdir() if entry.is_dir()]


def test_a_syntax_error_is_told_with_its_file(folder, cache):
    text = "NEURON { SUFFIX broken }\nBREAKPOINT { this is not nmodl }\n"
    with pytest.raises(ConfigurationError, match=r"wrong\.mod"):
        compiled(folder(wrong=text), "9.0.2")


def test_an_installation_in_a_folder_with_a_space_is_told_why(folder, cache, monkeypatch, tmp_path):
    place = tmp_path / "my work" / "bin"
    place.mkdir(parents=True)
    (place / "nrnivmodl").write_text(f"#!{place}/python\n")
    monkeypatch.setattr(sys, "executable", str(place / "python"))
    with pytest.raises(ConfigurationError, match=r"whose name has a space, '.*/my work/bin'; inst"):
        compiled(folder(a=HOLDER.format(name="A", value=1)), "9.0.2")


def test_without_a_compiler_one_line_says_so(folder, cache, monkeypatch):
    monkeypatch.setattr(mechanisms.shutil, "which", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"no C\+\+ compiler and make; install"):
        compiled(folder(a=HOLDER.format(name="None", value=1)), "9.0.2")


def test_without_a_compiler_what_is_compiled_is_used(folder, cache, monkeypatch):
    place = folder(a=HOLDER.format(name="Kept", value=1))
    library = compiled(place, "9.0.2")
    monkeypatch.setattr(mechanisms.shutil, "which", lambda name: None)
    assert compiled(place, "9.0.2") == library


def test_a_cache_that_cannot_be_written_is_named(folder, tmp_path, monkeypatch):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(ConfigurationError, match="set XDG_CACHE_HOME to a folder"):
        compiled(folder(a=HOLDER.format(name="Blocked", value=1)), "9.0.2")


def test_a_library_is_loaded_from_wherever_it_is_asked_for(folder, cache):
    place = folder(a=HOLDER.format(name="Path", value=3))
    assert said(python(LOAD.format(folder=str(Path(place)), name="Path"))) == "3.0"


def test_a_library_that_was_broken_and_deleted_is_compiled_again(folder, cache):
    place = folder(a=HOLDER.format(name="Broken", value=5))
    library = compiled(place, "9.0.2")
    library.unlink()
    assert compiled(place, "9.0.2") == library
    assert library.is_file()


def test_what_nrnivmodl_left_in_the_working_folder_is_named(folder, tmp_path):
    """NEURON loads it by itself, as every user of NetPyNE knows."""
    place = folder(a=HOLDER.format(name="Left", value=1), hh="NEURON { SUFFIX hh }")
    subprocess.run(
        [str(Path(sys.executable).with_name("nrnivmodl")), str(place / "a.mod")],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    code = (
        "import os; from pathlib import Path\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "from cosim.spiking.interpreter import load_mechanisms\n"
        f"try: load_mechanisms(Path({str(place)!r}))\n"
        "except Exception as error: print(*error.problems, sep=chr(10))"
    )
    left, built_in = said(python(code)).splitlines()
    assert "libnrnmech" in left
    assert left.endswith("move that library away, or leave out mechanisms.")
    assert "'hh'" in built_in
    assert "also defined by NEURON itself" in built_in


def test_what_an_installation_brings_is_taken_unless_the_content_differs(
    folder, tmp_path, monkeypatch
):
    """Without a compiler and a place for a cache, only the library that was brought is left."""
    mods = folder(one=HOLDER.format(name="CosimBrought", value=1))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "image"))
    version = said(python("from neuron import h; print(h.nrnversion(0))"))
    made = compiled(mods, version)
    brought = made.parent.parent
    before = sorted(brought.rglob("*"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("COSIM_MECHANISMS", str(brought))
    assert said(python(LOAD.format(folder=str(mods), name="CosimBrought"))) == "1.0"
    assert sorted(brought.rglob("*")) == before
    folder(one=HOLDER.format(name="CosimBrought", value=2))
    with pytest.raises(ConfigurationError, match="must be compiled"):
        compiled(mods, version)
