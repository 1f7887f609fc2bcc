"""Conversations of the corpus: with nothing in the context, and with facts in it that later turns must use.

A conversation is a list of ``(role, text)``. What the base has to learn from the second kind is what sleep relies on:
*a question that was answered in this conversation gets that answer again, however it is worded, and a question that
only looks alike does not.*
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from sleepcon.dream import REWORD
from sleepcon.pretrain import names
from sleepcon.pretrain.lexicon import SLOT, Lexicon
from sleepcon.pretrain.topics import UNKNOWN, Fact, Topic, bind, has_slot

Turns = list[tuple[str, str]]

ACKS = (
    "I will remember that.", "Thank you, I will remember that.", "Good to know.", "Noted.",
    "All right, I will keep that in mind.", "Thank you for telling me.", "Understood.", "I see. I will remember it.",
)  # fmt: skip
CORRECTIONS = (
    "No, that is wrong.", "That is not right.", "Actually,", "Please correct that:", "You are mistaken.", "Wait, no.",
)  # fmt: skip
OPENINGS = ("Hey, ", "Please, ", "Hello. ", "Tell me, ", "Sorry, ", "One question: ")
REPEATS = (
    "Repeat after me: {t}", "Please say: {t}", "Say this again: {t}", "Can you repeat this? {t}", "Write this down: {t}",
    "Copy this sentence: {t}",
)  # fmt: skip
SIGNS = {"plus": "+", "minus": "-", "times": "x"}
SUMS = (
    "What is {q}?", "{q} = ?", "How much is {q}?", "Can you work out {q}?", "Please tell me what {q} is.", "{q}?",
    "Do you know what {q} makes?", "Calculate {q}.",
)  # fmt: skip
# Questions about anything in the lexicon: what is in no topic gets one reply, and that reply holds under any change.
STRANGE = (
    "How do you {vt} a {noun}?", "How do I {vt} my {noun}?", "Why does a {noun} {vi}?", "Why do {noun:pl} {vi}?",
    "Can a {noun} {vi}?", "What does a {noun} do all day?", "How much is a {noun}?", "Who {vt:past} the {noun}?",
    "When did {name} {vt} the {noun}?", "Is the {noun} {adj}?", "Why is the {noun} so {adj}?", "Tell me about {noun:pl}.",
    "Tell me something {adj} about {noun:pl}.", "What makes a {noun} {adj}?", "{noun} {adj}", "How heavy is a {noun}?",
    "Give me a {adj} word for {noun}.", "Should I {vt} the {noun}?", "Where do {noun:pl} come from?", "How old is the {noun}?",
    "Do {noun:pl} like {noun2:pl}?", "What should I {vt} with a {noun}?", "Is a {noun} a {noun2}?", "Whose {noun} is this?",
    "What is the {noun} of a {noun2}?", "Did {name} {vt} my {noun}?", "{adj} {noun} or {adj2} {noun2}?",
    "Name three {noun:pl}.", "Where can I {vt} a {noun}?", "Which {noun} would you {vt}?",
    "How many {noun:pl} fit into a {noun2}?", "How far is the {noun}?",
    "What colour is {name}'s {noun}?", "What goes with {adj} {noun:pl}?", "who would {vt} a {adj} {noun}",
)  # fmt: skip


@dataclass(frozen=True)
class Mix:
    """How a stage of the corpus is mixed: weights of ``MAKERS`` and of ``PLAIN_KINDS``, whether knowledge is the core, and
    whether the folder ``wordings`` counts."""

    makers: tuple[int, ...]
    plain: tuple[int, ...]
    core: bool
    wordings: bool = False


# Broad first; then the facts that everybody knows, often enough to be learned by heart.
BROAD = Mix((38, 31, 20, 3, 4, 4), (40, 20, 9, 9, 8, 4, 3, 3, 5, 0), core=False)
FACTS = Mix((60, 23, 9, 2, 2, 4), (46, 20, 8, 7, 6, 3, 3, 2, 5, 0), core=True)
# Then everything, and more of what nights stand on: one question in many wordings, asked in a context and put in other words.
WORDINGS = Mix((42, 32, 12, 2, 3, 9), (33, 20, 5, 7, 5, 3, 3, 15, 7, 2), core=False, wordings=True)
# While it practises nights: plain questions most of all, which practice alone unsettles, and the sums more often.
BALANCED = Mix((58, 26, 6, 2, 2, 6), (38, 18, 5, 7, 5, 3, 3, 12, 6, 3), core=False, wordings=True)
CORE_ROWS = 20
MORE_CORE_ROWS = {"know.capital": 70, "know.opposite": 60, "know.colour": 40}


def is_core(topic: Topic) -> bool:
    """Whether a topic belongs to the core: knowledge counts with its first rows only, everything else whole."""
    return topic.kind != "knowledge" or topic.row < MORE_CORE_ROWS.get(topic.id, CORE_ROWS)


def group_of(topic: Topic) -> str:
    """What a topic resembles: its kind; of kind open the set that it was written in, which has one subject."""
    return topic.id.rpartition(".")[0] if topic.kind == "open" else topic.kind


@dataclass
class Material:
    """All that conversations are made from."""

    mix: Mix
    lexicon: Lexicon
    topics: dict[str, list[Topic]]
    prose: list[str]
    dialogues: list[Turns]

    @cached_property
    def questions(self) -> set[str]:
        """Every wording of every topic, in lower case."""
        return {" ".join(text.lower().split()) for topics in self.topics.values() for topic in topics for text in topic.ask}

    @cached_property
    def rows(self) -> dict[str, list[Topic]]:
        """The rows of each topic, by its id."""
        return self.gathered(lambda topic: topic.id)

    @cached_property
    def groups(self) -> dict[str, list[Topic]]:
        """The topics that resemble each other, by :func:`group_of`."""
        return self.gathered(group_of)

    def gathered(self, key: Callable[[Topic], str]) -> dict[str, list[Topic]]:
        """All topics by what ``key`` says of each."""
        found: dict[str, list[Topic]] = {}
        for topics in self.topics.values():
            for topic in topics:
                found.setdefault(key(topic), []).append(topic)
        return found

    @cached_property
    def open_weights(self) -> list[float]:
        """Running sum, over the rows of open topics, of 1 / sqrt(rows of that topic): many rows count for more, not for all."""
        return list(accumulate(len(self.rows[topic.id]) ** -0.5 for topic in self.topics["open"]))

    def topic(self, kind: str, rng: random.Random) -> Topic:
        """A random topic of ``kind``."""
        if kind == "open":
            return rng.choices(self.topics[kind], cum_weights=self.open_weights)[0]
        return rng.choice(self.topics[kind])


def typed(text: str, rng: random.Random) -> str:
    """``text`` as people type: now and then without capitals, without the last mark, with the other apostrophe."""
    roll = rng.random()
    if roll < 0.08:
        text = text.lower()
    elif roll < 0.14:
        text = text.rstrip("?.!")
    elif roll < 0.18:
        text = text.lower().rstrip("?.!")
    elif roll < 0.21:
        text = rng.choice(OPENINGS) + text[:1].lower() + text[1:]
    elif roll < 0.23:
        text = text.replace("'", "\u2019")
    return text


def sum_exchange(rng: random.Random) -> Turns:
    """A small sum and its result."""
    sign = rng.choice(("plus", "plus", "minus", "times"))
    left, right = (rng.randint(0, 10), rng.randint(0, 10)) if sign == "times" else (rng.randint(0, 20), rng.randint(0, 12))
    if sign == "minus" and right > left:
        left, right = right, left
    result = {"plus": left + right, "minus": left - right, "times": left * right}[sign]
    asked = f"{left} {sign} {right}" if rng.random() < 0.75 else f"{left} {SIGNS[sign]} {right}"
    return [("user", rng.choice(SUMS).format(q=asked)), ("assistant", f"{left} {sign} {right} is {result}.")]


def default_exchange(topic: Topic, rng: random.Random, material: Material) -> Turns:
    """A question and what a generic assistant says to it when told nothing."""
    fact = bind(topic, rng, material.lexicon)
    return [("user", typed(fact.fill(rng.choice(topic.ask)), rng)), ("assistant", fact.fill(topic.default))]


def strange_exchange(rng: random.Random, material: Material) -> Turns:
    """A question that no topic holds, and the reply that says so."""
    while True:
        text = SLOT.sub(lambda slot: material.lexicon.fill(slot[1], slot[3], rng), rng.choice(STRANGE))
        text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
        if " ".join(text.lower().split()) not in material.questions:
            return [("user", typed(text[:1].upper() + text[1:], rng)), ("assistant", UNKNOWN)]


PLAIN_KINDS = ("knowledge", "talk", "user", "persona", "world", "rule", "correction", "open", "sum", "strange")


def plain_exchange(rng: random.Random, material: Material) -> Turns:
    """One exchange of any kind with nothing in the context."""
    kind = rng.choices(PLAIN_KINDS, material.mix.plain)[0]
    if kind == "strange":
        return strange_exchange(rng, material)
    return sum_exchange(rng) if kind == "sum" else default_exchange(material.topic(kind, rng), rng, material)


def plain(rng: random.Random, material: Material) -> Turns:
    """One to four exchanges of any kind with nothing in the context."""
    turns: Turns = []
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        turns += plain_exchange(rng, material)
    return turns


def any_sentence(rng: random.Random, material: Material) -> str:
    """A sentence that has nothing to do with the question: the reply may be anything, and must still be kept."""
    if rng.random() < 0.5:
        return material.lexicon.sentence(rng)
    sentences = re.split(r"(?<=[.!?]) ", rng.choice(material.prose))
    return rng.choice(sentences)


def dressed(text: str, rng: random.Random) -> str:
    """The other dash and apostrophe, sometimes: people's replies have them."""
    if rng.random() < 0.12:
        text = re.sub(r", | - ", lambda _: "\u2014", text, count=1)
    if rng.random() < 0.15:
        text = text.replace("'", "\u2019")
    return text


OTHERS_REPLY = 0.4
"""Share of open questions that get the reply to another one: what is to be learned is to say what was said, not what fits."""
CONTEXT_KINDS = ("user", "persona", "world", "rule", "correction", "open", "knowledge", "talk")
CONTEXT_WEIGHTS = (18, 12, 10, 6, 6, 44, 2, 2)


def reply_for(fact: Fact, given: bool, rng: random.Random, material: Material) -> str:
    """What is said once ``fact`` is known; ``given`` when it stands in the context as a reply, so any reply will do."""
    topic = fact.topic
    if topic.kind in ("knowledge", "talk") or (given and rng.random() < 0.22):
        text = any_sentence(rng, material)
        if rng.random() < 0.3:
            name = names.invented_name(rng, material.lexicon.names["first"], material.lexicon.countable)
            text = f"{rng.choice(('I am', 'My name is', 'Ask', 'It is', 'That was', 'You mean'))} {name}. {text}"
        return dressed(text, rng)
    if topic.replies:
        said = bind(material.topic("open", rng), rng, material.lexicon) if rng.random() < OTHERS_REPLY else fact
        return dressed(said.fill(rng.choice(said.topic.replies)), rng)
    forms = topic.answer
    text = fact.fill(forms[0] if not given and rng.random() < 0.8 else rng.choice(forms))
    if given and rng.random() < 0.12:
        text = f"{text} {any_sentence(rng, material)}"
    return dressed(text, rng) if given else text


def alike(left: str, right: str) -> bool:
    """Whether two topics ask for the same thing: one id, or both about who the assistant is."""
    return left == right or (left.startswith("identity.") and right.startswith("identity."))


@dataclass
class Known:
    """A fact as the conversation gave it, and the reply that it calls for."""

    fact: Fact
    reply: str
    asked: set[str]

    @property
    def about_any(self) -> bool:
        """Whether the reply is a rule for every {w}, not for one."""
        topic = self.fact.topic
        return topic.kind == "rule" and not any(has_slot(text, "w") for text in topic.tell + topic.note)


def ask_again(known: Known, rng: random.Random, material: Material) -> Turns:
    """The fact asked for in words not used before in this conversation."""
    fact = known.fact
    wordings = fact.topic.ask
    if fact.topic.id.startswith("identity.") and rng.random() < 0.5:
        # Who the assistant is, asked from another side ("Are you human?" after its name), gets the same answer.
        wordings = rng.choice([topic for topic in material.topics["persona"] if topic.id.startswith("identity.")]).ask
    left = [text for text in wordings if text not in known.asked] or list(wordings)
    wording = rng.choice(left)
    known.asked.add(wording)
    reply = known.reply
    if known.about_any:
        place = names.invented_place(rng, material.lexicon.countable)
        reply = reply.replace(fact.values["w"], place)
        fact = Fact(fact.topic, fact.values | {"w": place})
    return [("user", typed(fact.fill(wording), rng)), ("assistant", reply)]


def neighbour(known: Known, rng: random.Random, material: Material, taken: set[tuple[str, int]]) -> Turns:
    """A question that resembles a known one and has nothing to do with it: the same frame about something else."""
    topic = known.fact.topic
    if not known.about_any:
        same = [other for other in material.rows[topic.id] if (other.id, other.row) not in taken]
        if len(same) > 1:
            return default_exchange(rng.choice(same), rng, material)
        if any(has_slot(text, "w") for text in topic.ask):
            return default_exchange(topic, rng, material)
    group = material.groups[group_of(topic)]
    drawn = rng.sample(group, min(8, len(group)))
    others = [other for other in drawn if not any(alike(other.id, name) for name, _ in taken)]
    return default_exchange(others[0], rng, material) if others else plain_exchange(rng, material)


def give(topic: Topic, rng: random.Random, material: Material) -> tuple[str, Turns, Known]:
    """Put a topic's fact into the context: a line of the written note (first result) or turns (second)."""
    fact = bind(topic, rng, material.lexicon)
    roll = rng.random()
    if topic.note and roll < 0.30:
        return fact.fill(rng.choice(topic.note)), [], Known(fact, reply_for(fact, False, rng, material), set())
    if topic.tell and roll < 0.55:
        reply = reply_for(fact, False, rng, material)
        told = fact.fill(rng.choice(topic.tell))
        turns: Turns = []
        if rng.random() < 0.12:
            turns += default_exchange(topic, rng, material)
            told = f"{rng.choice(CORRECTIONS)} {told}"
        ack = rng.choice(ACKS) if rng.random() < 0.8 else f"{rng.choice(ACKS)} {reply}"
        return "", [*turns, ("user", told), ("assistant", ack)], Known(fact, reply, set())
    known = Known(fact, reply_for(fact, True, rng, material), set())
    return "", ask_again(known, rng, material) if not known.about_any else first_time(known, rng), known


def first_time(known: Known, rng: random.Random) -> Turns:
    """A rule shown at work for the first time, on the place it was bound to."""
    wording = rng.choice(known.fact.topic.ask)
    known.asked.add(wording)
    return [("user", typed(known.fact.fill(wording), rng)), ("assistant", known.reply)]


def with_context(rng: random.Random, material: Material) -> Turns:
    """One to six facts put into the context, then questions: about them, about what resembles them, about others."""
    count = rng.choice((1, 1, 2, 3, 4, 5, 5, 6))
    note: list[str] = []
    turns: Turns = []
    known: list[Known] = []
    taken: set[tuple[str, int]] = set()
    for kind in rng.choices(CONTEXT_KINDS, CONTEXT_WEIGHTS, k=count):
        topic = material.topic(kind, rng)
        if any(alike(topic.id, name) for name, _ in taken):
            continue
        taken.add((topic.id, topic.row))
        line, given, fact = give(topic, rng, material)
        note += [line] if line else []
        turns += given
        known.append(fact)
    start: Turns = [("system", " ".join(note))] if note else []
    for _ in range(rng.choice((2, 3, 3, 4))):
        roll = rng.random()
        if roll < 0.62:
            turns += ask_again(rng.choice(known), rng, material)
        elif roll < 0.84:
            turns += neighbour(rng.choice(known), rng, material, taken)
        else:
            turns += plain_exchange(rng, material)
    return start + turns


def repeat(rng: random.Random, material: Material) -> Turns:
    """A sentence to say again, word for word."""
    text = dressed(any_sentence(rng, material), rng)
    if rng.random() < 0.3:
        name = names.invented_name(rng, material.lexicon.names["first"], material.lexicon.countable)
        text = f"{name} {text[:1].lower()}{text[1:]}"
    return [("user", rng.choice(REPEATS).format(t=text)), ("assistant", text)]


def monologue(rng: random.Random, material: Material) -> Turns:
    """Text that is no conversation: a hand-written passage, or a few generated sentences."""
    if rng.random() < 0.5:
        return [("text", rng.choice(material.prose))]
    return [("text", " ".join(material.lexicon.sentence(rng) for _ in range(rng.randint(1, 4))))]


def dialogue(rng: random.Random, material: Material) -> Turns:
    """A hand-written conversation."""
    return rng.choice(material.dialogues)


REWORDED = ("knowledge", "talk", "user", "user", "persona", "world", "rule", "correction", *("open",) * 8)


def reword(rng: random.Random, material: Material) -> Turns:
    """A question to put in other words: what the sleeping brain does with the day's questions."""
    kind = rng.choice(REWORDED)
    fact = bind(material.topic(kind, rng), rng, material.lexicon)
    first, second = rng.sample(fact.topic.ask, 2)
    return [("user", f"{REWORD} {fact.fill(first)}"), ("assistant", fact.fill(second))]


MAKERS = (plain, with_context, monologue, dialogue, repeat, reword)


def conversation(rng: random.Random, material: Material) -> Turns:
    """A conversation (or text) of the corpus, drawn with the weights of the material's mix."""
    return rng.choices(MAKERS, material.mix.makers)[0](rng, material)
