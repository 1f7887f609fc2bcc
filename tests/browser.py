"""What the tests in a real browser share: Chromium, a fresh server, and a visitor who notes every complaint of the page."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sleepcon import jobs

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 300_000
"""Milliseconds that one step may take on a busy machine."""
expect.set_options(timeout=PATIENCE)
ROOT = Path(__file__).parent.parent
# On a deep link Streamlit looks for its own service under the page's address first; the 404 of that is not ours.
TOLERATED = "/_stcore/"


@pytest.fixture(scope="module")
def browser():
    """Chromium, or the reason why there is none: on a build server a failure, elsewhere a skip."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing = "No Chromium: install one (apt-get install chromium) or name it in CHROMIUM."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def address(tmp_path, own_home):
    """The address of a fresh server, started from a folder that is not the project's."""
    yield from serve(tmp_path, own_home)


def serve(folder: Path, home: Path):
    """Run a server on a home until the caller is done with it; its log is in ``folder`` and may hold no traceback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from sleepcon.ui import serve; serve('127.0.0.1', {port}, folder={str(home)!r})"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_HEADLESS": "true"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
        jobs.stop_worker(home)
    assert "Traceback" not in (folder / "server.log").read_text()


def wait_for(url: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the server did not start")


def visit(
    browser: Browser, url: str, width: int = 1280, scheme: str = "light", motion: str = "no-preference"
) -> tuple[Page, list[str]]:
    """A new visitor's page, drawn to its end, and the list that its complaints go to. ``motion``: prefers-reduced-motion.

    Complaints: errors of scripts, errors in the console, answers of 400 or more, and requests to elsewhere.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion=motion)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    own = re.compile(r"(http://127\.0\.0\.1|data:|blob:)")
    page.on("request", lambda request: own.match(request.url) or complaints.append(request.url))
    page.on("response", lambda answer: answer.status < 400 or TOLERATED in answer.url or complaints.append(answer.url))
    page.on("console", lambda said: complaints.append(said.text) if loud(said) else None)
    page.goto(url)
    drawn(page)
    return page, complaints


def loud(said) -> bool:
    """Whether a line of the console is an error of the page's own."""
    return said.type == "error" and TOLERATED not in said.location.get("url", "")


def drawn(page: Page) -> None:
    """Wait until a page stands: its title, its status line at the end, and nothing that is still to be filled."""
    page.get_by_role("heading", level=1).wait_for()
    page.locator("p[role=status]").wait_for(state="attached")
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
    page.wait_for_function("() => !document.querySelector('[data-testid=stApp][data-test-script-state=running]')")


def too_wide(page: Page) -> list[int]:
    """Widths, in pixels, of what is wider than the window."""
    widths = page.evaluate("[document.documentElement.scrollWidth, document.querySelector('[data-testid=stMain]').scrollWidth]")
    return [width for width in widths if width > page.evaluate("window.innerWidth")]
