"""The page of open questions as Streamlit's own test harness sees it."""

import pytest
import visits
from visits import markdown, visit

from sleepcon import jobs
from sleepcon.documented import QUESTIONS
from sleepcon.ui import APP
from sleepcon.ui.questions import PROTOCOLS
from sleepcon.ui.shell import PAGES


@pytest.fixture(autouse=True)
def no_worker(own_home, monkeypatch):
    monkeypatch.setattr(jobs, "ensure_worker", lambda: None)


def test_the_documents_five_are_there_in_its_words_and_order():
    assert [(one.study, one.question) for one in PROTOCOLS] == list(QUESTIONS)
    test = visit("questions")
    assert [one.value for one in test.header] == [f"{place}. {text}" for place, (_, text) in enumerate(QUESTIONS, 1)]


def test_each_says_what_it_would_take():
    shown = markdown(visit("questions"))
    for one in PROTOCOLS:
        assert one.hypothesis in shown
        assert one.measured in shown
        assert one.answer in shown
        assert len(one.arms) > 1
        assert all(f"- {arm}" in shown for arm in one.arms)


def test_what_has_not_been_run_is_said():
    test = visit("questions")
    assert not any(one.result for one in PROTOCOLS)
    assert "None of these experiments has been run yet" in test.info[0].value
    assert markdown(test).count("not run yet") == 5


def test_each_leads_to_a_page_that_exists():
    test = visit("questions")
    known = dict(PAGES)
    assert all(one.tries for one in PROTOCOLS)
    for one in (one for protocol in PROTOCOLS for one in protocol.tries):
        assert one.label == known[one.page]
        assert (APP / "pages" / f"{one.page}.py").exists()
    links = [element.proto.page for element in test.get("page_link")]
    assert links == [one.page for protocol in PROTOCOLS for one in protocol.tries]


def test_no_torch():
    assert visits.heavy_modules("questions") == "[]"
