"""Every page in a real browser: a first visit by deep link, a small screen, the rules of WCAG 2.2, and the presenter's link."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import visits
from axe_playwright_python.sync_playwright import Axe
from browser import address, browser, drawn, serve, too_wide, visit
from playwright.sync_api import Page, expect

from sleepcon.ui.shell import PAGES

pytestmark = pytest.mark.slow

NAMES = ("home", *(name for name, _ in PAGES))
TITLES = {"home": "Sleep Consolidation", **dict(PAGES)}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
STREAMLITS: dict[str, str] = {}
"""Rules that Streamlit's own markup breaks and that no page can mend, each with the reason."""


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("server") / "home"


@pytest.fixture(scope="module")
def shared(shared_home):
    """One server for all that only looks: a first visit of each page needs none of its own."""
    yield from serve(shared_home.parent, shared_home)


@pytest.fixture(scope="module")
def slept(shared_home) -> str:
    """The name of a brain on that server that has had one night."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLEEPCON_HOME", str(shared_home))
        visits.sleep(shared_home, visits.a_night())
    return visits.BRAIN


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA: the rule and the elements that break it."""
    options = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": RULES}}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found if rule["id"] not in STREAMLITS for node in rule["nodes"]
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_server_answers_a_deep_link_to_each_page(browser, address, name):
    page, complaints = visit(browser, f"{address}/{name}")
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[name])
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(len(NAMES))
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page).to_have_url(re.compile(rf"/{name}\?.*brain=visitor-[0-9a-f]{{24}}"))
    levels = [int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => h.tagName)")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    assert complaints == []


@pytest.mark.parametrize("name", NAMES)
def test_no_page_scrolls_sideways_on_a_small_screen(browser, shared, name):
    page, complaints = visit(browser, f"{shared}/{name}", width=320)
    assert too_wide(page) == []
    for summary in page.get_by_test_id("stExpander").locator("summary").all():
        summary.click()
    page.wait_for_timeout(500)
    drawn(page)
    assert too_wide(page) == []
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_no_page_breaks_a_rule_of_wcag(browser, shared, slept, name, scheme):
    page, complaints = visit(browser, f"{shared}/{name}", scheme=scheme)
    assert violations(page) == []
    page.goto(f"{shared}/{name}?brain={slept}")
    drawn(page)
    expect(page).to_have_url(re.compile(slept))
    assert violations(page) == []
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_presenters_link_shows_the_demo_and_nothing_else(browser, shared, scheme):
    page, complaints = visit(browser, f"{shared}/demo?present=1", scheme=scheme)
    headings = page.get_by_role("heading").all_inner_texts()
    assert headings == ["Live demo", "1. Wake", "2. Sleep", "3. Wake again"]
    expect(page.get_by_test_id("stSidebar")).to_have_count(0)
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    buttons = page.get_by_role("button").all()
    assert {one.inner_text().splitlines()[-1] for one in buttons if one.is_visible()} == {"Say", "Sleep", "Start over"}
    size = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    assert page.evaluate(size) >= 20
    assert too_wide(page) == []
    assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 900})
    page.wait_for_timeout(500)
    assert too_wide(page) == []
    assert complaints == []


MOVING = """() => ['', '::before', '::after'].flatMap(part => [...document.querySelectorAll('*')].filter(node => {
  const { animationName, transitionDuration } = getComputedStyle(node, part);
  return animationName !== 'none' || transitionDuration.split(', ').some(time => parseFloat(time) > 0);
}).map(node => `${node.tagName} ${node.dataset.testid ?? ''} ${part}`))"""
"""What on a page moves, or would when it changes, by its style."""
UNFOLD = """async summary => {
  summary.click();
  await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const details = summary.parentElement;
  return [details.open, details.offsetHeight, details.lastElementChild.offsetHeight];
}"""
"""Open an expander: whether it is, its height two frames later, and that of what is in it. By script it takes half a second."""


@pytest.mark.parametrize("name", NAMES)
def test_nothing_moves_for_those_who_ask_for_less_motion(browser, shared, name):
    page, _ = visit(browser, f"{shared}/{name}")
    assert page.evaluate(MOVING) != []  # for the others there is something that the style takes away
    page, complaints = visit(browser, f"{shared}/{name}", motion="reduce")
    assert page.evaluate(MOVING) == []
    for summary in page.get_by_test_id("stExpander").locator("summary").all():
        is_open, height, content = summary.evaluate(UNFOLD)
        assert is_open
        assert height >= content > 0
    assert page.evaluate(MOVING) == []
    assert complaints == []


def test_the_presenters_view_is_of_the_demo_alone(browser, shared):
    page, _ = visit(browser, f"{shared}/web4?present=1")
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(len(NAMES))


def test_the_status_line_keeps_its_place_and_changes_its_words(browser, shared):
    page, _ = visit(browser, f"{shared}/questions")
    status = page.locator("p[role=status]")
    expect(status).to_have_text("Status: the brain is awake.")
    status.evaluate("node => node.dataset.seen = 'yes'")
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Technical specifications").click()
    page.get_by_role("button", name="Measure this installation").click()
    expect(status).to_have_text(re.compile("at work|waits for its turn|job is done"))
    expect(status).to_have_text("Status: the brain is awake; the last job is done.")
    assert status.count() == 1
