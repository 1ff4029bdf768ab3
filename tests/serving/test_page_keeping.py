"""What the page says of a model, keeps, and saves, and how it fits a phone, in a real browser."""

# ruff: noqa: RUF001  the page has dashes and multiplication signs
from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
from browsing import NEEDS_BROWSER, difference, expected, mixed, ws_of
from PIL import Image

pytestmark = NEEDS_BROWSER

TOO_SMALL = """
    const targets = document.querySelectorAll("button, select, input:not([type=radio]), .segments label, a.button");
    return [...targets].filter((one) => one.checkVisibility()).map((one) => [one, one.getBoundingClientRect()])
      .filter(([, box]) => Math.min(box.width, box.height) < 40).map(([one, box]) => `${one.outerHTML} ${box.height}`);
"""


def favourites(page):
    return page.browser.find_elements("css selector", "#favourites .open")


def test_it_says_what_the_model_is(page, api):
    file = api.base_path / "1" / "assets.extra" / "model.json"
    text = file.read_text()
    metrics = {"kd2k": {"kernel_distance": None}, "fid50k_full": {"frechet_distance": 3.81149, "more": 1.0}}
    more = {"run": "<i>faces", "kimg": 25000.0, "config": {"network": {"family": "stylegan2"}}, "metrics": metrics}
    file.write_text(json.dumps({**json.loads(text), **more}))
    try:
        page.browser.refresh()
        page.wait()
    finally:
        file.write_text(text)
    assert page.find("h1").text == "<i>faces"
    assert page.find("#facts").text.splitlines() == [
        "Family StyleGAN2",
        "Resolution 8×8",
        "Training 25,000 kimg (thousand images)",
        "Metric frechet distance 3.811 (fid50k_full)",
        "Version 1",
    ]


def test_what_a_model_does_not_say_is_left_out(page):
    assert page.find("h1").text == "stylegan"
    assert page.find("#facts").text.splitlines() == ["Resolution 8×8", "Version 1"]


def test_styles_are_explained(page):
    page.click("[name=mode][value=mix]")
    assert page.find("#styles").text == "Layers 0–1, 4×4: pose and overall shape."
    page.click(".presets button:last-child")
    assert page.find("#styles").text == "Layers 2–3, 8×8: colours and texture."
    page.slide("from", 1)
    assert page.find("#styles").text == "Layers 1–3, 4×4 to 8×8."


def test_favourites_stay_and_open_again(page, api):
    page.browser.execute_script("location.hash = '#a=9&b=3&mode=mix&layers=1-2&noise=seed&noise_seed=5'")
    page.wait("return document.querySelector('#caption').textContent.includes('1-2')")
    page.wait()
    ws = [
        theirs if layer in (1, 2) else ours
        for layer, (ours, theirs) in enumerate(zip(ws_of(api, 9), ws_of(api, 3), strict=True))
    ]
    want = expected(api, "synthesize_noise_png", ws=ws, noise_seed=5, noise_strength=1.0)
    assert page.png() == want
    page.click("#star")
    page.slide("psi", 1.5)
    page.click("[data-seed='4']")
    page.click("[name=mode][value=one]")
    assert page.find("#star").get_attribute("aria-pressed") == "false"
    page.find("#star").send_keys(" ")
    page.wait("return document.querySelectorAll('#favourites .open').length === 2")
    other = page.png()
    page.browser.refresh()
    page.wait()
    assert difference(page.png("li:nth-child(1) img"), want) <= 1
    assert difference(page.png("li:nth-child(2) img"), other) <= 1
    page.click("li:first-child .open")
    assert page.png() == want
    assert page.find("#star").get_attribute("aria-pressed") == "true"
    assert page.find("[name=psi]").get_attribute("value") == "0.6"


def test_favourites_are_removed_and_put_back(page):
    for seed in (1, 2, 3):
        page.click(f"[data-seed='{seed}']")
        page.click("#star")
    page.click("li:nth-child(2) .remove")
    assert page.find("#kept").text == "Seed 2 is removed."
    assert len(favourites(page)) == 2
    page.click("#undo")
    names = [button.get_attribute("title") for button in favourites(page)]
    assert names == ["Seed 1, psi 0.60", "Seed 2, psi 0.60", "Seed 3, psi 0.60"]
    assert page.browser.switch_to.active_element == favourites(page)[1]
    favourites(page)[1].send_keys("\ue017")  # Delete
    assert page.browser.switch_to.active_element == favourites(page)[1]
    assert favourites(page)[1].get_attribute("title") == "Seed 3, psi 0.60"
    page.click("#star")
    page.browser.refresh()
    page.wait()
    assert [button.get_attribute("title") for button in favourites(page)] == ["Seed 1, psi 0.60"]


def test_storage_that_fails_or_holds_something_else(page):
    page.click("#star")
    key = page.browser.execute_script("return Object.keys(localStorage)[0]")
    for stored in ("{", "7", '{"a": 1}'):
        page.browser.execute_script("localStorage.setItem(...arguments)", key, stored)
        page.browser.refresh()
        page.wait()
        assert favourites(page) == []
        assert not page.find("#fleeting").is_displayed()
    page.browser.execute_script("localStorage.setItem(...arguments)", key, json.dumps([3, "#psi=9&a=-1", "#a=4&psi=1"]))
    page.browser.refresh()
    page.wait()
    names = [button.get_attribute("title") for button in favourites(page)]
    assert names == ["Seed 0, psi 2.00", "Seed 4, psi 1.00"]
    closed = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    script = page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": closed})
    try:
        page.browser.refresh()
        page.wait()
        page.click("#star")
        assert len(favourites(page)) == 1
        assert page.find("#fleeting").is_displayed()
    finally:
        page.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.fixture
def save(page, tmp_path):
    """`save(what)`: the file that the page saves, by the words of a choice."""
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})

    def saved(what):
        page.find(f"[name=what] [value={what}]").click()
        page.find("#save button").click()
        page.wait("return document.querySelector('#save [role=status]').textContent !== ''")
        said = page.find("#save [role=status]").text
        assert said.startswith("Saved "), said
        file, end = tmp_path / said.removeprefix("Saved ").partition(",")[0], time.monotonic() + 10
        while not file.exists() and time.monotonic() < end:
            time.sleep(0.02)
        return file

    return saved


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_the_wall_is_saved_as_a_grid(page, api, save):
    file = save("wall-grid")
    assert file.name == "seeds0-47_psi0.60_grid.png"
    grid = pixels(file.read_bytes())
    assert grid.shape == (6 * 8, 8 * 8, 3)
    want = pixels(expected(api, "from_seed_png", seed=10, truncation_psi=0.6))
    np.testing.assert_array_equal(grid[8:16, 16:24], want)


def test_a_blend_is_saved_as_a_strip_and_as_an_animation(page, api, save):
    assert not page.find("[value=blend-film]").is_enabled()
    page.browser.execute_script("location.hash = '#a=3&b=9'")
    page.wait("return document.querySelector('[data-slot=b] b').textContent === 'Seed 9'")
    page.wait()
    first, last = (pixels(expected(api, "from_seed_png", seed=seed, truncation_psi=0.6)) for seed in (3, 9))
    file = save("blend-strip")
    assert file.name == "seed3_to-seed9_psi0.60_strip.png"
    strip = pixels(file.read_bytes()).astype(int)
    assert strip.shape == (8, 9 * 8, 3)
    assert abs(strip[:, :8] - first).max() <= 1 and abs(strip[:, -8:] - last).max() <= 1
    assert abs(strip[:, 32:40] - first).max() > 1
    film = Image.open(save("blend-film"))
    assert (film.format, film.n_frames, film.size, film.info["duration"]) == ("PNG", 64, (256, 256), 60)
    frames = [frame_at(film, index) for index in (0, 32, 63, 1)]
    enlarged = [np.kron(image, np.ones((32, 32, 1), int)) for image in (first, last)]
    assert abs(frames[0] - enlarged[0]).max() <= 1 and abs(frames[1] - enlarged[1]).max() <= 1
    np.testing.assert_array_equal(frames[2], frames[3])


def frame_at(film, index):
    film.seek(index)
    return np.asarray(film.convert("RGB")).astype(int)


def test_favourites_are_saved_as_a_grid_and_a_walk(page, api, save):
    page.browser.execute_script("location.hash = '#a=3&b=9&mode=mix&layers=0-1'")
    page.wait("return document.querySelector('#caption').textContent.includes('seed 9')")
    page.wait()
    page.click("#star")
    page.click("[name=mode][value=one]")
    assert not page.find("[value=favourites-walk]").is_enabled()
    page.click("#star")
    grid = pixels(save("favourites-grid").read_bytes())
    want = [pixels(png) for png in (mixed(api, 3, 9, [0, 1]), expected(api, "synthesize_png", ws=ws_of(api, 3)))]
    assert abs(grid.astype(int) - np.hstack(want)).max() <= 1
    walk = Image.open(save("favourites-walk"))
    assert walk.n_frames == 32
    for index in (0, 1):
        enlarged = np.kron(want[index], np.ones((32, 32, 1), int))
        assert abs(frame_at(walk, 16 * index) - enlarged).max() <= 1


def test_what_cannot_be_saved_is_told(page, monkeypatch, api):
    page.browser.execute_script("location.hash = '#a=3&b=9'")
    page.wait("return document.querySelector('[data-slot=b] b').textContent === 'Seed 9'")
    page.wait()
    monkeypatch.setattr(api, "answer", lambda *request: (400, {"error": "too much"}))
    page.find("[name=what] [value=blend-strip]").click()
    page.find("#save button").click()
    page.wait("return document.querySelector('#save [role=status]').textContent !== ''")
    assert page.find("#save [role=status]").text == "Not saved: The server refuses: too much"
    assert page.find("#save button").text == "Save"
    page.browser.get_log("browser")  # of the failed request


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_shows_all_without_scrolling_sideways(page, width):
    size = {"width": width, "height": 640, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.click("[name=mode][value=mix]")
        page.click("#star")
        assert page.browser.execute_script("return document.documentElement.scrollWidth") == width
        assert page.find("#download").is_displayed() and page.find("[name=to]").is_displayed()
        assert page.find("#download").rect["width"] == 328 + width - 360 or page.find("#noise").is_displayed()
        assert page.browser.execute_script(TOO_SMALL) == []
        page.browser.execute_script("scrollTo(0, 1000)")
        stage = page.browser.execute_script("return document.querySelector('.stage').getBoundingClientRect().toJSON()")
        assert (stage["top"], stage["width"]) == (0, width)
        assert stage["height"] <= 160  # a quarter of the smallest
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
