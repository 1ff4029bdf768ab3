"""A browser before the page, for tests; see `conftest.py` for the fixtures."""

from __future__ import annotations

import base64
import io
import json
import shutil
import threading
import time
from contextlib import contextmanager

import pytest
from PIL import Image

from stylegan_tf.serving.demo_server import DemoServer
from stylegan_tf.serving.endpoints import build_endpoints
from stylegan_tf.serving.export import write_saved_model
from stylegan_tf.serving.rest import RestApi

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NEEDS_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"),
]
# The signatures that the page uses: writing the others would take long.
ASKED_FOR = ("from_seed_png", "from_seed_ws", "synthesize", "synthesize_png", "synthesize_noise_png")
READY = """
    return !!document.querySelector("#busy[hidden]")
      && !document.querySelector("#picture.blank, .face img.blank, .open img.blank")
"""


@contextmanager
def serving(api, port=0):
    with DemoServer("127.0.0.1", port, api) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def export_to(path, served, **description):
    write_saved_model([one for one in build_endpoints(served) if one.name in ASKED_FOR], path / "1")
    (path / "1" / "assets.extra").mkdir()
    (path / "1" / "assets.extra" / "model.json").write_text(
        json.dumps({"num_ws": served.generator.num_ws, **description})
    )
    return RestApi(path)


def open_browser(profile):
    """A browser without a window, of 1280x900."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={profile}",
        "window-size=1280,900",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


class Page:
    """What a person does and sees."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get("about:blank")
        browser.get(url)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def wait(self, script=READY, seconds=20.0):
        end = time.monotonic() + seconds
        while not self.browser.execute_script(script):
            assert time.monotonic() < end, f"not seen in {seconds} s: {script}"
            time.sleep(0.03)

    def click(self, selector):
        self.find(selector).click()
        self.wait()

    def slide(self, name, value):
        self.browser.execute_script(
            "const i = document.getElementsByName(arguments[0])[0]; i.value = arguments[1];"
            "i.dispatchEvent(new Event('input', {bubbles: true}));",
            name,
            value,
        )
        self.wait()

    def png(self, selector="#picture"):
        return base64.b64decode(self.find(selector).get_attribute("src").partition(",")[2])

    @property
    def caption(self):
        return self.find("#caption").text


def expected(api, signature, **row):
    body = {"signature_name": signature, "instances": [row]}
    status, answer = api.answer("POST", "/v1/models/stylegan:predict", json.dumps(body).encode())
    assert status == 200, answer
    value = answer["predictions"][0]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def ws_of(api, seed, psi=0.6):
    return expected(api, "from_seed_ws", seed=seed, truncation_psi=psi)


def mixed(api, first, second, layers):
    a, b = ws_of(api, first), ws_of(api, second)
    return expected(api, "synthesize_png", ws=[b[i] if i in layers else a[i] for i in range(len(a))])


def difference(*pngs):
    first, second = (Image.open(io.BytesIO(png)).tobytes() for png in pngs)
    return max(abs(one - other) for one, other in zip(first, second, strict=True))
