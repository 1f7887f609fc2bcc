"""How quick the pages are, in a real browser on this machine, and what a visitor costs in memory.

    python benchmarks/pages.py [--repeats 20] [--visitors 10]

Prints one JSON document, times in milliseconds as median and 95th percentile. ``first_paint``: a new visitor's page until
its heading stands; ``first_after_start``: the very first on a fresh server; ``page_switch``: a click in the navigation
until the next heading stands; ``slider``: a key on the threshold until the count beside it has changed;
``slider_on_server``: the same run of the script in Streamlit's own test harness; ``visitor_mb``: what one more visitor with
the filter open adds to the server's memory. CHROMIUM names the browser where it is not on the path.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, expect, sync_playwright
from streamlit.testing.v1 import AppTest

from sleepcon import jobs
from sleepcon.ui import APP
from sleepcon.ui.shell import PAGES

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
expect.set_options(timeout=60_000)


@contextmanager
def server(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A fresh server on a home of its own: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from sleepcon.ui import serve; serve('127.0.0.1', {port}, folder={str(home)!r})"
    environment = os.environ | {"STREAMLIT_SERVER_HEADLESS": "true"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)
        jobs.stop_worker(home)


def timed(action: Callable[[], object]) -> float:
    """Milliseconds that ``action`` takes."""
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


def spread(times: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"median": round(statistics.median(times)), "p95": round(sorted(times)[int(0.95 * (len(times) - 1))])}


def arrive(browser: Browser, address: str, heading: str) -> Page:
    """A new visitor who waits for the heading."""
    page = browser.new_context().new_page()
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    return page


def switches(page: Page, repeats: int) -> list[float]:
    """Times of clicks through the navigation."""
    found = []
    for number in range(repeats):
        _, title = PAGES[number % len(PAGES)]
        link = page.get_by_test_id("stSidebarNavLink").filter(has_text=title)
        heading = page.get_by_role("heading", level=1)
        found.append(timed(lambda link=link, heading=heading, title=title: (link.click(), expect(heading).to_have_text(title))))
        page.wait_for_timeout(300)
    return found


def moves(page: Page, repeats: int) -> list[float]:
    """Times from a key on the threshold (to its least, to its largest) to the changed count."""
    slider = page.get_by_role("slider", name="Salience threshold")
    count = page.get_by_test_id("stMetricValue").first
    slider.focus()
    found: list[float] = []
    forward = True
    while len(found) < repeats:
        page.keyboard.press("Home" if not forward else "End")  # everything passes, or nothing
        wanted = re.compile("^0 of" if forward else "^5 of")
        found.append(timed(lambda wanted=wanted: expect(count).to_have_text(wanted)))
        forward = not forward
        page.wait_for_timeout(300)
    return found


def on_server(repeats: int) -> list[float]:
    """Times of the filter page's run after a move of the slider, in the harness, without a browser."""
    jobs.ensure_worker = lambda *_: None  # type: ignore[assignment]
    test = AppTest.from_file(str(APP / "pages" / "filter.py"), default_timeout=60).run()
    skip = [button for button in test.button if "skip" in button.label.lower()]
    if skip:
        skip[0].click().run()
    return [timed(lambda place=place: test.slider[0].set_value(0.05 * (place % 18)).run()) for place in range(repeats)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--visitors", type=int, default=10)
    args = parser.parse_args()
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, server(Path(folder)) as (address, process):
        os.environ["SLEEPCON_HOME"] = folder
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        first = timed(lambda: arrive(browser, address, "Sleep Consolidation"))
        paints = [timed(lambda: arrive(browser, address, "Sleep Consolidation").context.close()) for _ in range(args.repeats)]
        page = arrive(browser, address, "Sleep Consolidation")
        result = {
            "first_after_start": round(first),
            "first_paint": spread(paints),
            "page_switch": spread(switches(page, args.repeats)),
        }
        page = arrive(browser, f"{address}/filter", "What gets remembered?")
        for button in page.get_by_role("button", name=re.compile("skip", re.IGNORECASE)).all():
            button.click()
        page.get_by_role("slider", name="Salience threshold").wait_for()
        result["slider"] = spread(moves(page, args.repeats))
        before = process.memory_info().rss
        visitors = [arrive(browser, f"{address}/filter", "What gets remembered?") for _ in range(args.visitors)]
        result["visitor_mb"] = round((process.memory_info().rss - before) / len(visitors) / 1e6, 1)
        browser.close()
        result["slider_on_server"] = spread(on_server(args.repeats))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
