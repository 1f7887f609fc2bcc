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


def go_to(page: Page, title: str) -> None:
    """Another page of the list; the session goes along."""
    page.get_by_test_id("stSidebarNavLink").filter(has_text=title).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


@pytest.mark.slow
def test_a_night_from_first_visit_to_answer(browser, address):
    page, complaints = visit(browser, f"{address}/filter?threshold=7")  # a deep link, past app.py, with a value out of bounds
    expect(metric(page, "Experiences that pass")).to_have_text("0 of 5")
    expect(page.get_by_role("button", name="Sleep", exact=True)).to_be_disabled()
    slider = page.get_by_role("slider", name="Salience threshold")
    for _ in range(6):
        slider.press("ArrowLeft")
    expect(metric(page, "Experiences that pass")).to_have_text("3 of 5")
    expect(metric(page, "Their mean salience")).to_have_text("79%")
    expect(page).to_have_url(re.compile("threshold=0.60"))
    slider.press("Home")
    expect(metric(page, "Experiences that pass")).to_have_text("5 of 5")
    for _ in range(12):
        slider.press("ArrowRight")
    expect(metric(page, "Experiences that pass")).to_have_text("3 of 5")

    page.get_by_role("button", name="Sleep", exact=True).click()
    page.get_by_text("The brain is asleep").wait_for()
    page.get_by_text(re.compile(r"Step \d+ of|Waking up")).first.wait_for()
    page.reload()
    page.get_by_role("heading", name="The wake-up check").wait_for()
    expect(page.get_by_test_id("stAlert").get_by_text("Night 1 was kept.")).to_be_visible()
    nights = brains.look(re.search(r"brain=([\w-]+)", page.url)[1]).nights
    assert len(nights) == 1
    assert all("SAGE" in reply["after"] for reply in nights[0].replies if "SAGE" in reply["taught"])
    expect(metric(page, "Loss after")).to_contain_text(f"{nights[0].loss_after:.3f}")

    go_to(page, "Sleep Consolidation")
    before, after = ask(page, "What should I call you?")
    assert "SAGE" not in before
    assert "SAGE" in after
    assert complaints == []


@pytest.mark.slow
def test_an_experience_of_ones_own_is_scored_slept_on_and_learned(browser, address):
    only_reward = "weights=0_0_0_1_0"  # so that what is praised passes
    page, complaints = visit(browser, f"{address}/demo?{only_reward}")
    page.get_by_label("Say something to the brain").fill("What is my dog called?")
    page.get_by_role("button", name="Say", exact=True).click()
    page.get_by_role("button", name="Teach another reply").click()
    page.get_by_label("What the brain should have said").fill("Your dog is called Biscuit.")
    page.get_by_role("button", name="Remember this reply").click()
    expect(page.get_by_text("Your dog is called Biscuit.").first).to_be_visible()
    expect(page.get_by_text("4 exchanges wait for a night.")).to_be_visible()
    page.get_by_role("button", name="Sleep", exact=True).click()
    page.get_by_text("The day's conversation is gone").wait_for()
    before, after = ask(page, "What is my dog called?")
    assert "Biscuit" not in before
    assert "Biscuit" in after
    assert complaints == []


@pytest.mark.slow
def test_two_visitors_have_brains_of_their_own(browser, address):
    (first, complaints), (second, more) = visit(browser, f"{address}/filter"), visit(browser, f"{address}/filter")
    first.get_by_role("button", name="Sleep", exact=True).click()
    second.get_by_label("What somebody asks").fill("What is my dog called?")
    second.get_by_label("What the brain should answer").fill("Your dog is called Biscuit.")
    second.get_by_role("button", name="Remember this").click()
    expect(metric(second, "Experiences that pass")).to_contain_text("of 6")
    expect(second.get_by_text("Your dog is called Biscuit.").first).to_be_visible()
    first.get_by_role("heading", name="The wake-up check").wait_for()
    expect(second.get_by_role("heading", name="The wake-up check")).to_have_count(0)
    expect(first.get_by_text("Biscuit")).to_have_count(0)
    assert first.url != second.url
    assert complaints + more == []
