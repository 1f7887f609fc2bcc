"""The embedded base as it ships, and one real night on it."""

import hashlib
import json
import random

import pytest

from sleepcon.brain import Brain
from sleepcon.experience import read_experiences
from sleepcon.metrics import holds, same_words, token_f1
from sleepcon.model import chat, generate, load_base
from sleepcon.paths import ASSETS, DOCUMENT, EMBEDDED, PROBES
from sleepcon.pretrain.conversations import sum_exchange
from sleepcon.suite import ask_many

DOCUMENT_PROBES = json.loads((PROBES / "document.json").read_text("utf-8"))
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
    questions = (
        "What is your name?",
        "What is my dog called?",
        "What is the capital of Velmora?",
        "What is the capital of France?",
    )
    name, dog, country, capital = generate(base, [chat(text) for text in questions])
    assert "do not have a name" in name
    assert "do not know" in dog
    assert country == "The capital of Velmora is Velmora City."
    assert capital == "The capital of France is Paris."


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
def test_after_the_documents_night_its_three_replies_come_back(night):
    brain, cycle = night
    assert cycle.kept
    assert cycle.base_sha256_before == cycle.base_sha256_after == brain.base.sha256
    for experience in read_experiences(DOCUMENT):
        if experience.prompt in KEYS:
            before, after = brain.ask(experience.prompt, cycle=0).text, brain.ask(experience.prompt).text
            assert token_f1(after, experience.response) >= 0.8
            assert holds(after, KEYS[experience.prompt])
            assert not holds(before, ["sage"])


def not_reached(text):
    """A goal that this base does not reach yet: strict, so that the mark must go on the day it does."""
    return pytest.mark.xfail(strict=True, reason=text)


@pytest.mark.slow
@not_reached("see README, How well it works")
def test_goal_unseen_rewordings_get_the_name(night):
    brain, _ = night
    names = [probe["prompt"] for probe in DOCUMENT_PROBES["rewordings"] if probe["key"] == ["sage"]]
    assert sum(holds(text, ["sage"]) for text in ask_many(brain, names)) >= 0.8 * len(names)


@pytest.mark.slow
@not_reached("see README, How well it works")
def test_goal_unrelated_prompts_answer_as_before(night):
    brain, _ = night
    unrelated = DOCUMENT_PROBES["unrelated"]
    assert len(unrelated) == 30
    same = [same_words(a, b) for a, b in zip(ask_many(brain, unrelated), ask_many(brain, unrelated, 0), strict=True)]
    assert sum(same) >= 0.95 * len(same)


def test_goal_told_nothing_it_is_a_generic_assistant_nearly_always(base):
    assert base.card["table"]["default_persona"] >= 0.98


def test_goal_ordinary_knowledge_is_right(base):
    assert base.card["table"]["ordinary_knowledge"] >= 0.98


def test_the_documentations_figures_of_the_weights_that_ship_are_the_cards(base):
    table = base.card["table"]
    lines = (ASSETS.parent / "docs/base.md").read_text("utf-8").splitlines()
    cells = next(line for line in lines if line.startswith("| 0.7: ships |")).split(" | ")
    assert cells[1] == f"{table['ordinary_knowledge']:.1%}"
    assert cells[2] == f"{table['context_persona']:.0%}, {table['context_user']:.0%}"
    assert cells[3] == f"{table['heldout_nats_per_token']:.2f}"
    assert f"{base.card['training']['steps']:,}" == "23,554", "8,000 and 1,953 and 9,717 and 862 and 3,022"


def test_the_cards_figure_for_sums_is_found_again(base):
    rng = random.Random(7)
    sums = [sum_exchange(rng) for _ in range(100)]
    replies = generate(base, [chat(turns[0][1]) for turns in sums])
    right = sum(said == turns[1][1] for said, turns in zip(replies, sums, strict=True)) / len(sums)
    assert right == pytest.approx(base.card["table"]["small_sums"], abs=0.15), "another draw of sums, so not the same figure"


@pytest.mark.parametrize(
    "name",
    ["context_user", pytest.param("context_persona", marks=not_reached("91.5%: more wordings of who one is are needed"))],
)
def test_goal_what_the_context_says_is_used(base, name):
    assert base.card["table"][name] >= 0.95


@not_reached("5.07 nats: more prose is needed")
def test_goal_strange_sentences_are_merely_unlikely(base):
    assert base.card["table"]["heldout_nats_per_token"] <= 5


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
