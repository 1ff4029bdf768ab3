"""The page in a real browser, in front of tiny models. Needs Chromium with its driver, and selenium."""

from __future__ import annotations

import hashlib
import time

from browsing import NEEDS_BROWSER, Page, difference, expected, export_to, mixed, serving, webdriver, ws_of

pytestmark = NEEDS_BROWSER


def test_the_wall_shows_the_seeds_at_the_truncation_of_the_slider(page, api):
    assert len(page.browser.find_elements("css selector", ".face")) == 48
    for seed in (0, 47):
        want = expected(api, "from_seed_png", seed=seed, truncation_psi=0.6)
        assert page.png(f".face[data-seed='{seed}'] img") == want
    page.slide("psi", 1.0)
    assert page.png(".face[data-seed='5'] img") == expected(api, "from_seed_png", seed=5, truncation_psi=1.0)
    assert page.png() == expected(api, "from_seed_png", seed=0, truncation_psi=1.0)


def test_more_another_seed_and_shuffle(page, api):
    page.click("#more")
    assert len(page.browser.find_elements("css selector", ".face")) == 96
    field = page.find("[name=first]")
    field.clear()
    field.send_keys("1000\n")
    page.wait()
    want = expected(api, "from_seed_png", seed=1000, truncation_psi=0.6)
    assert page.png(".face:first-child img") == want
    assert len(page.browser.find_elements("css selector", ".face")) == 48
    page.click("#shuffle")
    assert page.png(".face:first-child img") != want


def test_dragging_one_onto_another_mixes_them(page, api):
    source, target = page.find("[data-seed='3']"), page.find("[data-seed='9']")
    webdriver.ActionChains(page.browser).drag_and_drop(source, target).perform()
    page.wait()
    assert page.caption == "Seed 9 with layers 0-1 of seed 3"
    assert page.png() == mixed(api, 9, 3, [0, 1])
    page.slide("from", 1)
    page.slide("to", 2)
    assert page.png() == mixed(api, 9, 3, [1, 2])
    page.click("#swap")
    assert page.png() == mixed(api, 3, 9, [1, 2])
    page.click(".presets button:last-child")
    assert page.png() == mixed(api, 3, 9, [2, 3])


def test_a_finger_drags_too(page, api):
    boxes = [page.find(f"[data-seed='{seed}']").rect for seed in (2, 4)]
    (x, y), (to_x, to_y) = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes]
    page.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def touch(kind, *points):
        page.browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
        )

    touch("touchStart", (x, y))
    for step in range(1, 11):
        touch("touchMove", (x + (to_x - x) * step / 10, y + (to_y - y) * step / 10))
    touch("touchEnd")
    page.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    page.wait()
    assert page.caption == "Seed 4 with layers 0-1 of seed 2"
    assert page.png() == mixed(api, 4, 2, [0, 1])


def test_the_keyboard_chooses_both(page, api):
    page.find("[data-seed='7']").send_keys(" ")
    page.wait()
    assert page.caption == "Seed 7"
    page.find("[data-slot=b]").send_keys("\n")
    page.find("[data-seed='8']").send_keys("\n")
    page.wait("return document.querySelector('#caption').textContent.includes('seed 8')")
    assert page.png() == mixed(api, 7, 8, [0, 1])


def test_a_blend_goes_from_one_to_the_other_and_plays(page, api):
    page.browser.execute_script("location.hash = '#a=3&b=9&mode=blend&t=0.25'")
    page.wait("return document.querySelector('#caption').textContent.includes('25%')")
    page.wait()
    a, b = ws_of(api, 3), ws_of(api, 9)
    quarter = [[p + 0.25 * (q - p) for p, q in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]
    want, got = expected(api, "synthesize_png", ws=quarter), page.png()
    assert difference(want, got) <= 1
    page.slide("t", 1)
    assert difference(page.png(), expected(api, "synthesize_png", ws=b)) <= 1
    page.find("#play").click()
    seen = set()
    for _ in range(20):
        seen.add(hashlib.sha256(page.png()).hexdigest())
        time.sleep(0.06)
    page.find("#play").click()
    assert len(seen) >= 5


def test_noise_off_and_other_and_the_file(page, api):
    ws = ws_of(api, 0)
    page.click("[name=noise][value=off]")
    assert page.png() == expected(api, "synthesize_noise_png", ws=ws, noise_seed=1, noise_strength=0.0)
    assert page.find("#download").get_attribute("download") == "seed0_psi0.60_noise-off.png"
    page.click("[name=noise][value=seed]")
    name = page.find("#download").get_attribute("download")
    seed = int(name.partition("_noise")[2].removesuffix(".png"))
    other = page.png()
    assert other == expected(api, "synthesize_noise_png", ws=ws, noise_seed=seed, noise_strength=1.0)
    page.click("[name=noise][value=seed]")
    assert page.png() != other


def test_a_download_is_the_picture(page, tmp_path):
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.find("#download").click()
    file, end = tmp_path / "seed0_psi0.60.png", time.monotonic() + 10
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert file.read_bytes() == page.png()


def test_the_address_keeps_what_is_shown(page, api):
    page.slide("psi", 1.2)
    page.click("[data-seed='11']")
    page.wait("return location.hash === '#psi=1.2&a=11'")
    page.browser.refresh()
    page.wait()
    assert page.png() == expected(api, "from_seed_png", seed=11, truncation_psi=1.2)


def test_classes_by_name(browser, make_served, tmp_path):
    api = export_to(tmp_path, make_served(2, 3), label_names=["cat", "<b>dog", "eel"])
    with serving(api) as server:
        page = Page(browser, server.url)
        page.wait()
        page.find("[name=class_id]").send_keys("<b>dog")
        page.wait()
        page.click("[data-seed='4']")
        assert page.caption == "Seed 4, <b>dog"
        want = expected(api, "from_seed_png", seed=4, truncation_psi=0.7, class_id=1)
        assert page.png("[data-seed='4'] img") == page.png() == want


def test_a_server_that_is_away_and_comes_back(browser, api, monkeypatch):
    # A thread of a closed server would go on answering on a connection that is kept open.
    monkeypatch.setattr("stylegan_tf.serving.demo_server._Handler.protocol_version", "HTTP/1.0")
    with serving(api) as server:
        page, port = Page(browser, server.url), server.server_address[1]
        page.wait()
        before = page.png()
    with serving(Refusing(), port):
        page.slide("psi", 1.5)
        assert page.find("#message").text == "The server refuses: <i>psi</i> is too much"
    page.find("#retry").click()
    page.wait("return document.querySelector('#message').textContent.includes('does not answer')")
    assert page.find("#retry").is_displayed()
    with serving(api, port):
        page.click("#retry")
        assert not page.find("#alert").is_displayed()
        assert page.png() != before
        assert page.png() == expected(api, "from_seed_png", seed=0, truncation_psi=1.5)
    browser.get_log("browser")  # of failed requests


class Refusing:
    """Stands in for RestApi."""

    name = "stylegan"

    def answer(self, method, path, body=b""):
        return 400, {"error": "<i>psi</i> is too much"}
