"""The lexicon and the sentence frames: plain English sentences by the thousand.

Files (tab-separated, ``#`` starts a comment) live in ``assets/corpus/lexicon``; frames in ``assets/corpus/frames.txt``.
"""

import random
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

SLOT = re.compile(r"\{([a-z]+)(\d*)(?::([a-z]+))?\}")
SENTENCE_START = re.compile(r"(^\"?|[.!?]\"? \"?|, \"|: \")([a-z])")
VERB_FORMS = {"base": 0, "third": 1, "past": 2, "part": 3, "ing": 4}
NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty".split()


def rows(path: Path) -> list[list[str]]:
    """Rows of a tab-separated file, comments and blank lines left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.split("\t")] for line in lines if line.strip() and not line.startswith("#")]


@dataclass
class Lexicon:
    """Words by class: ``nouns[category] = [(singular, plural)]``, ``verbs[type] = [forms]`` and so on."""

    nouns: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    verbs: dict[str, list[list[str]]] = field(default_factory=dict)
    adjectives: dict[str, list[str]] = field(default_factory=dict)
    adverbs: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, corpus: Path) -> "Lexicon":
        """Read the lexicon of ``corpus`` (the folder ``assets/corpus``)."""
        lexicon = cls()
        for word, plural, category in rows(corpus / "lexicon/nouns.tsv"):
            lexicon.nouns.setdefault(category, []).append((word, plural))
        for *forms, kind in rows(corpus / "lexicon/verbs.tsv"):
            lexicon.verbs.setdefault(kind, []).append(forms)
        for word, _, applies in rows(corpus / "lexicon/adjectives.tsv"):
            lexicon.adjectives.setdefault(applies, []).append(word)
        for word, kind in rows(corpus / "lexicon/adverbs.tsv"):
            lexicon.adverbs.setdefault(kind, []).append(word)
        for word, kind in rows(corpus / "lexicon/names.tsv"):
            lexicon.names.setdefault(kind, []).append(word)
        lexicon.frames = [
            line.strip()
            for line in (corpus / "frames.txt").read_text(encoding="utf-8").splitlines()
            if line.strip() and not line.startswith("#")
        ]
        return lexicon

    @cached_property
    def countable(self) -> list[str]:
        """Singulars that have a plural."""
        return [word for word, _ in self.countable_pairs]

    def words(self) -> set[str]:
        """Every word form of the lexicon, lower case."""
        found: set[str] = set()
        for entries in self.nouns.values():
            found.update(part for pair in entries for part in pair)
        for verbs in self.verbs.values():
            found.update(form for forms in verbs for form in forms)
        for group in (self.adjectives, self.adverbs, self.names):
            found.update(word for words in group.values() for word in words)
        return {piece for word in found for piece in word.lower().split() if piece != "-"}

    def fill(self, slot: str, form: str | None, rng: random.Random) -> str:
        """One word for a slot such as ``animal``, ``vt:past`` or ``adj:food``."""
        if slot == "name":
            return rng.choice(self.names["first"])
        if slot in ("city", "country"):
            return rng.choice(self.names[slot])
        if slot == "number":
            return rng.choice(NUMBER_WORDS)
        if slot == "adv":
            return rng.choice(self.adverbs.get(form or "manner") or self.adverbs["manner"])
        if slot == "adj":
            return rng.choice(self.adjectives.get(form or "any", []) + self.adjectives["any"])
        if slot in ("vt", "vp", "vi", "vs", "vm"):
            return rng.choice(self.verbs[slot[1]])[VERB_FORMS[form or "base"]]
        pool = self.countable_pairs if slot == "noun" else self.nouns[slot]
        word, plural = rng.choice(pool)
        return word if form != "pl" or plural == "-" else plural

    @cached_property
    def countable_pairs(self) -> list[tuple[str, str]]:
        """``(singular, plural)`` of every countable noun."""
        return [pair for words in self.nouns.values() for pair in words if pair[1] != "-"]

    def sentence(self, rng: random.Random) -> str:
        """A random frame, filled."""
        return self.render(rng.choice(self.frames), rng)

    def render(self, frame: str, rng: random.Random) -> str:
        """``frame`` with its slots filled, articles and the capital put right."""
        text = frame.replace("{a} ", "\x00").replace("{A} ", "\x00")
        text = SLOT.sub(lambda m: self.fill(m.group(1), m.group(3), rng), text)
        text = re.sub(r"\x00(\w)", lambda m: ("an " if m.group(1).lower() in "aeiou" else "a ") + m.group(1), text)
        text = text.replace("\x00", "a ")
        return SENTENCE_START.sub(lambda m: m.group(1) + m.group(2).upper(), text)
