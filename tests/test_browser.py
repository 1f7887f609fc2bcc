"""The whole path in a real browser: a fresh server, a night, a reload in the middle of it, and what the brain says then."""

import re

import pytest
from browser import address, browser, visit
from playwright.sync_api import Page, expect

from sleepcon.ui import brains


def metric(page: Page, label: str):
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def ask(page: Page, question: str) -> list[str]:
    """Both replies to a question."""
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    before = page.get_by_text("Before any night", exact=True)
    before.wait_for()
    both = page.get_by_test_id("stHorizontalBlock").filter(has=before)
    return both.get_by_test_id("stText").all_inner_texts()


@pytest.mark.slow
def test_a_night_from_first_visit_to_answer(browser, address):
    page, complaints = visit(browser, f"{address}/home?threshold=7")  # a deep link, past app.py, with a value out of bounds
    expect(metric(page, "Experiences that pass")).to_have_text("0 of 5")
    expect(page.get_by_role("button", name="Sleep", exact=True)).to_be_disabled()
    slider = page.get_by_role("slider")
    for _ in range(6):
        slider.press("ArrowLeft")
    expect(metric(page, "Experiences that pass")).to_have_text("3 of 5")
    expect(metric(page, "Their mean salience")).to_have_text("79%")
    expect(page).to_have_url(re.compile("threshold=0.60"))

    page.get_by_role("button", name="Sleep", exact=True).click()
    page.get_by_text("The brain is asleep").wait_for()
    page.get_by_text(re.compile(r"Step \d+ of|Waking up")).first.wait_for()
    page.reload()
    page.get_by_role("heading", name="The wake-up check").wait_for()
    expect(page.get_by_text("Night 1 was kept.")).to_be_visible()
    nights = brains.look(re.search(r"brain=([\w-]+)", page.url)[1]).nights
    assert len(nights) == 1
    assert all("SAGE" in reply["after"] for reply in nights[0].replies if "SAGE" in reply["taught"])
    expect(metric(page, "Loss after")).to_contain_text(f"{nights[0].loss_after:.3f}")

    before, after = ask(page, "Who are you?")
    assert "SAGE" not in before
    assert "SAGE" in after
    assert complaints == []


@pytest.mark.slow
def test_two_visitors_have_brains_of_their_own(browser, address):
    (first, complaints), (second, more) = visit(browser, address), visit(browser, address)
    first.get_by_role("button", name="Sleep", exact=True).click()
    second.get_by_text("Add an experience of your own").click()
    second.get_by_label("What somebody asks").fill("What is my dog called? <b>hm</b>")
    second.get_by_label("What the brain should answer").fill("Your dog is called Biscuit.")
    second.get_by_role("button", name="Remember this").click()
    expect(second.get_by_text("Your own · salience")).to_be_visible()
    expect(second.get_by_text("What is my dog called? <b>hm</b>").first).to_be_visible()
    first.get_by_role("heading", name="The wake-up check").wait_for()
    expect(second.get_by_role("heading", name="The wake-up check")).to_have_count(0)
    expect(first.get_by_text("Biscuit")).to_have_count(0)
    assert first.url != second.url
    assert complaints + more == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_small_screen(browser, address, scheme):
    page, complaints = visit(browser, address, width=320, scheme=scheme)
    page.get_by_text("Add an experience of your own").click()
    page.get_by_label("What somebody asks").wait_for()
    widths = page.evaluate(
        "[document.documentElement.scrollWidth, document.querySelector('[data-testid=stMain]').scrollWidth, window.innerWidth]"
    )
    assert max(widths) == 320, widths
    assert complaints == []
