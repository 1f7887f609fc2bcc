"""Files of experiences on the filter's page: what is taken in, and what is wrong with the rest."""

import pytest
import visits
from visits import BRAIN, SCRIPT, button, texts, visit

from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.jobs import store
from sleepcon.ui import own

pytestmark = pytest.mark.usefixtures("home")


GOOD = b'{"prompt": "Hi", "response": "Hello.", "salience": 0.7}\n{"prompt": "Hi", "response": "Hello.", "salience": 0.7}\n'


def test_a_file_becomes_experiences_with_ids():
    found = own.read_upload(GOOD, "day.jsonl", 50)
    assert [(one["prompt"], one["response"], one["salience"]) for one in found] == [("Hi", "Hello.", 0.7)] * 2
    assert len({one["id"] for one in found}) == 2
    assert all(Experience(**one) for one in found)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "day.jsonl: the file is empty"),
        (b"[]", "there is no experience in this file"),
        (b'{"prompt": "Hi", "response": "a"}\n{"prompt": ', "day.jsonl: line 2: not valid JSON"),
        (b'{"prompt": "Hi"}', "the response is missing"),
        (b'[{"prompt": "Hi", "response": "a", "salience": 2}]', "the salience must be a number from 0 to 1"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"PK\x03\x04", "is neither JSON nor JSONL"),
        (b'{"prompt": "' + b"x" * 600 + b'", "response": "a"}', "day.jsonl: experience 1: at most 500 characters"),
        (GOOD * 3, "this page takes 5 more of your own, the file has more"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(data, error):
    with pytest.raises(UserError) as raised:
        own.read_upload(data, "day.jsonl", 5)
    assert error in str(raised.value)


def test_a_file_goes_to_the_worker_whole_and_its_end_is_said():
    test = visit("filter")
    test.file_uploader(key="own_file").set_value(("day.jsonl", GOOD, "application/json"))
    button(test, "Take the file in").click().run()
    job = store.latest(BRAIN, "take_in")
    assert len(job.arguments["experiences"]) == 2
    store.start(job.id)
    store.end(job.id, "done", result={"new": 2, "duplicates": 1})
    visits.settled(test)
    assert test.success[0].value == "Taken in from your file: 2 experiences. 1 was there already."


def test_no_file_and_a_bad_file_are_sentences():
    test = visit("filter")
    button(test, "Take the file in").click().run()
    assert "There is no file yet: choose one." in texts(test)
    test.file_uploader(key="own_file").set_value((f"{SCRIPT}.json", b"{", "application/json"))
    button(test, "Take the file in").click().run()
    assert any(text.startswith(f"{SCRIPT}.json: line 1: not valid JSON") for text in texts(test))
    assert store.latest(BRAIN, "take_in") is None
