"""Topics: what can be asked, in many wordings, with what is said when nothing is known and when something is.

A topic file is TOML; ``docs/base.md`` describes its fields. A :class:`Topic` is one row of one topic; a
:class:`Fact` is a topic whose open values ({w}, {x}, {y}) have been chosen.
"""

import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sleepcon.pretrain import names
from sleepcon.pretrain.lexicon import Lexicon

MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
HOURS = "one two three four five six seven eight nine ten eleven twelve".split()
MATERIALS = "wood stone glass iron silver copper gold clay wool paper leather bronze tin straw ivory bone marble".split()
PRECEDENCE = ("persona", "user", "knowledge", "world", "talk", "correction", "rule", "open")
UNKNOWN = "I do not know about that."
"""What the base says to a question about something it was never told of (topics of kind "open")."""
LIST_FIELDS = ("ask", "tell", "note", "answer", "replies")


@dataclass(frozen=True)
class Topic:
    """One question in many wordings.

    ``default`` is what a generic assistant says when told nothing; ``answer`` what is said once the value is known.
    """

    id: str
    kind: str
    ask: tuple[str, ...]
    default: str = ""
    tell: tuple[str, ...] = ()
    note: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    slot: str = ""
    slot2: str = ""
    values: tuple[str, ...] = ()
    values2: tuple[str, ...] = ()
    row: int = 0


@dataclass(frozen=True)
class Fact:
    """A topic with its open values chosen."""

    topic: Topic
    values: dict[str, str]

    def fill(self, text: str) -> str:
        """``text`` with {w}, {x} and {y} replaced, and its first letter a capital."""
        for key, value in self.values.items():
            text = text.replace("{" + key + "}", value)
        return text[:1].upper() + text[1:]


def load_topics(folders: Sequence[Path]) -> list[Topic]:
    """All topics in ``folders``, one for each row; raises ``ValueError`` naming the file and topic at fault."""
    topics = []
    for path in sorted(path for folder in folders for path in folder.glob("*.toml")):
        for raw in tomllib.loads(path.read_text(encoding="utf-8"))["topic"]:
            if not raw.get("ask") or not (raw.get("default") or raw.get("replies")):
                raise ValueError(f"{path.name}: topic {raw.get('id')} needs 'ask' and 'default' or 'replies'")
            for number, row in enumerate(raw.get("rows") or [[]]):
                topics.append(one_row(raw, [str(cell) for cell in row], number))
    return with_one_default(topics)


def with_one_default(topics: list[Topic]) -> list[Topic]:
    """The topics, each of those that share a question with an earlier one (by ``PRECEDENCE``) given its default.

    A question must have one answer when nothing is known, or the base would waver between two.
    """
    taken: dict[str, str] = {}
    found = []
    for topic in sorted(topics, key=lambda topic: PRECEDENCE.index(topic.kind)):
        questions = [" ".join(text.lower().split()) for text in topic.ask]
        default = next((taken[question] for question in questions if question in taken), topic.default)
        taken |= {question: taken.get(question, default) for question in questions}
        found.append(replace(topic, default=default))
    return found


def one_row(raw: dict, row: list[str], number: int) -> Topic:
    """The topic ``raw`` with the columns {a} to {d} of one row put in."""

    def put(text: str) -> str:
        for letter, cell in zip("abcd", row, strict=False):
            text = text.replace("{" + letter + "}", cell)
        return text[:1].upper() + text[1:]

    lists = {name: tuple(put(text) for text in raw.get(name, [])) for name in LIST_FIELDS}
    return Topic(
        id=raw["id"],
        kind=raw["kind"],
        default=put(raw.get("default", UNKNOWN)),
        slot=raw.get("slot", "").split(":")[0],
        slot2=raw.get("slot2", "").split(":")[0],
        values=tuple(str(value) for value in raw.get("values", ())),
        values2=tuple(str(value) for value in raw.get("values2", ())),
        row=number,
        **lists,
    )


def clock(rng: random.Random) -> str:
    """A time of day in words or figures."""
    hour = rng.choice(HOURS)
    return rng.choice(
        (f"{hour} o'clock", f"half past {hour}", f"a quarter to {hour}", f"a quarter past {hour}", hour,
         f"{rng.randint(1, 12)}:{rng.choice(('00', '15', '30', '45'))}")
    )  # fmt: skip


def slot_value(slot: str, rng: random.Random, lexicon: Lexicon) -> str:
    """A value of kind ``slot``: invented names mostly, else a word of the lexicon."""
    first, nouns = lexicon.names["first"], lexicon.countable
    makers = {
        "name": lambda: names.invented_name(rng, first, nouns),
        "place": lambda: names.invented_place(rng, nouns),
        "thing": lambda: names.syllables(rng, rng.choice((2, 2, 3))).lower(),
        "day": lambda: rng.choice(DAYS),
        "month": lambda: rng.choice(MONTHS),
        "number": lambda: str(rng.randint(2, 99) if rng.random() < 0.7 else rng.randint(100, 9999)),
        "year": lambda: str(rng.randint(1700, 2060)),
        "time": lambda: clock(rng),
        "job": lambda: rng.choice(lexicon.nouns["person"])[0],
        "hobby": lambda: rng.choice(lexicon.verbs["i"] + lexicon.verbs["m"])[4],
        "object": lambda: rng.choice(nouns),
        "material": lambda: rng.choice(MATERIALS),
        "adjective": lambda: lexicon.fill("adj", "any", rng),
    }
    if slot in makers:
        return makers[slot]()
    if slot == "city":
        return rng.choice(lexicon.names["city"])
    return rng.choice(lexicon.nouns[slot])[0] if slot in lexicon.nouns else names.invented_name(rng, first, nouns)


def bind(topic: Topic, rng: random.Random, lexicon: Lexicon) -> Fact:
    """Choose {w}, {x} and {y} for ``topic``; x and y differ."""
    x = rng.choice(topic.values) if topic.values else slot_value(topic.slot or "name", rng, lexicon)
    y = x
    while y == x:
        if topic.values2:
            y = rng.choice(topic.values2)
        elif topic.slot2 or not topic.values:
            y = slot_value(topic.slot2 or topic.slot or "name", rng, lexicon)
        else:
            y = rng.choice(topic.values)
    w = names.invented_place(rng, lexicon.countable)
    return Fact(topic, {"w": w, "x": x, "y": y})


def has_slot(text: str, slot: str) -> bool:
    """Whether ``text`` still holds ``{slot}``."""
    return re.search(r"\{" + slot + r"\}", text) is not None
