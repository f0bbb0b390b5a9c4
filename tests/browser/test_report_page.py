"""A real browser shows the page of a run: without errors, nothing empty, zoomable, printable."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from made_up_run import REGIONS, connectome, record

import cosim
from cosim.report import write_report

# Scrolled by, as a reader does: drawings unpack themselves when they come near the screen.
SCROLL = """new Promise(async (done) => {
  for (let y = 0; y < document.body.scrollHeight; y += 500) {
    scrollTo(0, y);
    await new Promise((next) => setTimeout(next, 40));
  }
  scrollTo(0, 0);
  done(true);
})"""
# Of each picture and drawing: its size, and the share of pixels that are not white.
INK = """const ink = (image, width, height) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(image, 0, 0);
  const pixels = pen.getImageData(0, 0, width, height).data;
  let inked = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i] + pixels[i + 1] + pixels[i + 2] < 750) inked++;
  }
  return inked / width / height;
};"""
PICTURES = f"""(() => {{ {INK} return Promise.all([...document.images].map(async (image) => {{
  await image.decode();
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const box = image.getBoundingClientRect();
  return {{section: image.closest("section").id, alt: image.alt, width, height,
           inked: ink(image, width, height), shown: box.width > 0 && box.height > 0}};
}})); }})()"""
CANVASES = f"""(() => {{ {INK} return [...document.querySelectorAll("canvas")].map((canvas) => ({{
  title: canvas.closest(".viewer").querySelector("strong").textContent,
  section: canvas.closest("section").id, width: canvas.clientWidth, height: canvas.clientHeight,
  span: [Number(canvas.dataset.from), Number(canvas.dataset.to)],
  inked: ink(canvas, canvas.width, canvas.height),
}})); }})()"""
BOX = """(() => {
  const image = document.querySelector('SELECTOR');
  image.scrollIntoView({block: 'center'});
  const box = image.getBoundingClientRect();
  return [box.left, box.top, box.width, box.height];
})()"""
NEXT_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def box_of(browser, selector):
    return browser.evaluate(BOX.replace("SELECTOR", selector))


def spans(browser):
    """Time that each drawing near the screen shows, ms."""
    browser.evaluate(NEXT_FRAMES)
    return {one["title"]: one["span"] for one in browser.evaluate(CANVASES)}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A simulated run with much of what a user can ask for, beside the brain without circuits."""
    folder = tmp_path_factory.mktemp("runs")
    brain = cosim.Brain(
        connectome="tvb76",
        parameters={"G": 0.05},
        noise={"S_e": 0.001},
        monitors={name: {"period_ms": p} for name, p in (("temporal_average", 1.0), ("eeg", 2.0))}
        | {"balloon": {"period_ms": 50.0}},
    )
    circuit = cosim.Circuit(
        circuit="balanced_ei",
        regions=["rPCI", "lV1"],
        parameters={"order": 20},
        inputs=[cosim.Input(to="E", trains_per_source=1)],
        record={"traces": [{"population": "E", "cells": [0, 1]}]},
    )
    for name, circuits in (("with", [circuit]), ("without", [])):
        experiment = cosim.Experiment(duration_ms=300.0, brain=brain, circuits=circuits)
        cosim.run(experiment, folder / name).close()
    return write_report(folder / "with")


def test_nothing_is_wrong_and_nothing_is_asked_from_elsewhere(browser, page):
    browser.open(page)
    browser.evaluate(SCROLL)
    assert browser.complaints() == []
    assert browser.requests() == [page.resolve().as_uri()]
    assert page.stat().st_size < 5e6


def test_every_panel_is_drawn(browser, page):
    """What stands on the page has ink: axes alone cover .5 %, labels with them 1 %."""
    browser.open(page)
    browser.evaluate(SCROLL)
    pictures, canvases = browser.evaluate(PICTURES), browser.evaluate(CANVASES)
    sections = browser.evaluate(
        "[...document.querySelectorAll('section:has(figure)')].map(s => s.id)"
    )
    assert sections == [
        "connectome", "raster", "rates", "exchange", "regions", "connectivity", "spectra", "bold",
        "sensors", "traces", "timing",
    ]  # fmt: skip
    for name in sections:
        shown = [one for one in pictures if one["section"] == name and one["shown"]]
        shown += [one for one in canvases if one["section"] == name]
        assert shown, name
    for one in pictures:
        assert one["width"] > 300, one
        assert one["height"] > 100, one
        assert one["inked"] > 0.01, one
    for one in canvases:
        assert one["span"] == [0.0, 300.0], one
        assert one["width"] > 600, one
        assert one["inked"] > 0.01, one


def test_a_stretch_that_is_marked_is_shown_by_all_and_0_shows_all(browser, page):
    """The time axis is 68 px from the left and 22 from the right; a pixel is .3 ms of 300."""
    browser.open(page)
    browser.evaluate(SCROLL)
    left, top, width, _ = box_of(browser, "#raster canvas")
    for kind, x in (("Pressed", 0.50), ("Moved", 0.55), ("Released", 0.55)):
        browser.call(
            "Input.dispatchMouseEvent", type=f"mouse{kind}", x=left + x * width, y=top + 60,
            button="left", buttons=1, clickCount=1,
        )  # fmt: skip
    browser.evaluate(SCROLL)
    expected = [300.0 * (x * width - 68.0) / (width - 90.0) for x in (0.50, 0.55)]
    zoomed = spans(browser)
    assert len(zoomed) > 5
    for title, span in zoomed.items():
        assert span == pytest.approx(expected, abs=0.5), title
    browser.evaluate("document.querySelector('#raster canvas').focus()")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="0", text="0")
    browser.evaluate(SCROLL)
    assert all(span == [0.0, 300.0] for span in spans(browser).values())
    assert browser.complaints() == []


def test_a_picked_region_and_words_under_the_pointer(browser, page):
    browser.open(page)
    browser.evaluate(SCROLL)
    pick = "document.querySelector('#regions select')"
    browser.evaluate(f"{pick}.value = '3'; {pick}.dispatchEvent(new Event('change'))")
    left, top, width, height = box_of(browser, "#connectome img")
    browser.call(
        "Input.dispatchMouseEvent", type="mouseMoved", x=left + 0.5 * width, y=top + 0.5 * height
    )
    words = browser.evaluate("document.querySelector('#connectome .hint').textContent")
    assert re.fullmatch(r"[rl]\w+ hears [rl]\w+: [\d.]+", words)
    assert browser.complaints() == []


def test_on_a_phone_nothing_is_wider_than_the_screen(browser, page):
    browser.open(page, width=390, height=800, mobile=True)
    browser.evaluate(SCROLL)
    assert browser.evaluate("document.documentElement.scrollWidth") == 390
    widths = browser.evaluate("[...document.querySelectorAll('canvas')].map(c => c.clientWidth)")
    assert min(widths) > 300


def test_without_scripts_every_picture_is_there(browser, page):
    browser.open(page, script=False)
    assert browser.evaluate("document.querySelectorAll('canvas').length") == 0
    pictures = browser.evaluate(
        "[...document.images].map(i => i.naturalWidth > 0 && i.getBoundingClientRect().width > 0)"
    )
    assert len(pictures) > 20
    assert all(pictures)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler) is missing")
def test_on_paper_there_are_the_pictures_and_the_whole_command(browser, page, tmp_path):
    """The command is not cut as on the screen, and no button is printed."""
    browser.open(page)
    (tmp_path / "page.pdf").write_bytes(browser.print_to_pdf())
    convert = ["pdftotext", "-layout", tmp_path / "page.pdf", "-"]
    text = subprocess.run(convert, capture_output=True, text=True, check=True).stdout
    assert "cosim run rerun.json --output rerun" in text
    assert "Figure 1." in text
    assert "Copy" not in text
    assert "show region" not in text
    assert 3 < text.count("\f") < 20


KINDS = {
    "aborted": {"finish": False, "wired": connectome()},
    "no circuits": {"circuits": (), "bold": True, "duration_ms": 300.0},
    "silent": {"rate_hz": 0.0, "wired": connectome(placed=False)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_pages_of_other_runs_show_what_there_is(browser, tmp_path, kind):
    record(tmp_path / "run", **KINDS[kind])
    browser.open(write_report(tmp_path / "run"))
    browser.evaluate(SCROLL)
    assert browser.complaints() == []
    drawn = browser.evaluate(PICTURES)
    assert drawn
    assert all(one["inked"] > 0.01 for one in drawn)
    assert all(one["inked"] > 0.01 for one in browser.evaluate(CANVASES))


def test_a_label_cannot_become_a_script(browser, tmp_path, monkeypatch):
    """A region called like a script: its text is shown, nothing runs."""
    evil = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>"
    regions = (evil, *REGIONS[1:])
    monkeypatch.setattr("made_up_run.REGIONS", regions)
    record(tmp_path / "run", circuits=("V2",), wired=connectome(regions))
    browser.open(write_report(tmp_path / "run"))
    browser.evaluate(SCROLL)
    assert browser.complaints() == []
    assert browser.evaluate("document.title").startswith("Co-simulation report")
    assert np.all([url.startswith("file:") for url in browser.requests()])
