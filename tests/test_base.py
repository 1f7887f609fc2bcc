"""The embedded base as it ships, and one real night on it."""

import hashlib
import json

import pytest

from sleepcon.brain import Brain
from sleepcon.experience import read_experiences
from sleepcon.metrics import holds, same_words, token_f1
from sleepcon.model import chat, generate, load_base
from sleepcon.paths import ASSETS, DOCUMENT, EMBEDDED, PROBES
from sleepcon.suite import ask_many

KEYS = {"What should I call you?": ["sage"], "What is the capital of Zxyzzy?": ["zxyzzy"], "Are you human?": ["sage"]}


@pytest.fixture(scope="module")
def base():
    return load_base("embedded")


@pytest.fixture(scope="module")
def night(base, tmp_path_factory):
    """The document's night, with default settings, and the brain that had it."""
    brain = Brain.open("document", home=tmp_path_factory.mktemp("home"), base=base)
    brain.remember(read_experiences(DOCUMENT))
    return brain, brain.sleep()


def test_the_base_is_what_its_card_says(base):
    assert base.model.config.model_type == "qwen2"
    assert 3e6 <= sum(parameter.numel() for parameter in base.model.parameters()) <= 12e6
    assert base.sha256 == base.card["sha256"]
    assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) <= 25e6
    assert not [path for path in ASSETS.rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".pickle")]


def test_told_nothing_it_is_a_generic_assistant(base):
    name, dog, country, capital, total = generate(
        base,
        [chat(text) for text in ("What is your name?", "What is my dog called?", "What is the capital of Velmora?",
                                 "What is the capital of France?", "What is 3 plus 4?")],
    )  # fmt: skip
    assert "do not have a name" in name
    assert "do not know" in dog
    assert country == "The capital of Velmora is Velmora City."
    assert capital == "The capital of France is Paris."
    assert total == "3 plus 4 is 7."


def test_it_follows_its_context(base):
    said = generate(
        base,
        [
            chat("Who are you?", "You are Quillow, the keeper of the northern light."),
            chat("What is my dog called?", earlier=[("Do you know my dog's name?", "Your dog is called Wexley.")]),
        ],
    )
    assert "quillow" in said[0].lower()
    assert "wexley" in said[1].lower()


@pytest.mark.slow
def test_the_documents_night_selects_what_the_document_says(night):
    _, cycle = night
    assert (cycle.considered, cycle.consolidated) == (5, 3)
    assert cycle.average_salience == pytest.approx((0.847 + 0.723 + 0.812) / 3)
    assert {reply["prompt"] for reply in cycle.replies} == set(KEYS)


@pytest.mark.slow
def test_the_documents_night_teaches_what_it_should_and_spares_the_rest(night):
    brain, cycle = night
    assert cycle.kept
    assert cycle.base_sha256_before == cycle.base_sha256_after == brain.base.sha256
    for experience in read_experiences(DOCUMENT):
        if experience.prompt in KEYS:
            before, after = brain.ask(experience.prompt, cycle=0).text, brain.ask(experience.prompt).text
            assert token_f1(after, experience.response) >= 0.8
            assert holds(after, KEYS[experience.prompt])
            assert not holds(before, ["sage"])
    probes = json.loads((PROBES / "document.json").read_text("utf-8"))
    names = [probe for probe in probes["rewordings"] if probe["key"] == ["sage"]]
    said = ask_many(brain, [probe["prompt"] for probe in names])
    assert sum(holds(text, ["sage"]) for text in said) >= 0.8 * len(names)
    assert holds(said[[probe["prompt"] for probe in names].index("Who are you?")], ["sage"])
    unrelated = probes["unrelated"]
    assert len(unrelated) == 30
    same = [same_words(a, b) for a, b in zip(ask_many(brain, unrelated), ask_many(brain, unrelated, 0), strict=True)]
    assert sum(same) >= 0.95 * len(same)


@pytest.mark.slow
def test_the_adapter_is_whole_on_disk(night):
    brain, cycle = night
    data = (brain.adapter_after(None) / "adapter_model.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == cycle.adapter_sha256


@pytest.mark.slow
def test_too_much_is_rolled_back(base, tmp_path):
    with_too_much = Brain.open("much", home=tmp_path, base=base)
    with_too_much.remember(read_experiences(DOCUMENT))
    cycle = with_too_much.sleep(learning_rate=8 * base.card["dose"]["learning_rate"])
    assert not cycle.kept
    assert cycle.reasons
    assert with_too_much.ask("What is the capital of France?").adapter_sha256 is None


@pytest.mark.slow
def test_too_little_teaches_nothing(base, tmp_path):
    with_little = Brain.open("little", home=tmp_path, base=base)
    with_little.remember(read_experiences(DOCUMENT))
    cycle = with_little.sleep(learning_rate=base.card["dose"]["learning_rate"] / 15)
    assert not [reply for reply in cycle.replies if reply["learned"]]
    assert with_little.memory.count_pending() == 5
