"""Waking up: fixed probes, written before the night, say whether it worked; the gates decide whether it is kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sleepcon.dream import Lesson
from sleepcon.experience import Experience
from sleepcon.metrics import collapse, repeated_4grams, same_words, token_f1
from sleepcon.model import Base, chat, generate
from sleepcon.paths import PROBES

LEARNED_F1 = 0.8
"""Token F1 from which a reply counts as the taught one."""
REPLY_TOKENS = 96


@dataclass(frozen=True)
class Gates:
    """Limits of the wake-up check, all shares 0..1. A night past one of the last three is rolled back.

    ``kept``: least share of ordinary prompts answered as before. ``collapse``: most of the pairs of replies that may be
    nearly the same beyond what they were. ``repeated``: most of a reply that may be repeated runs of four words, on average.
    """

    kept: float = 0.8
    collapse: float = 0.2
    repeated: float = 0.2


@dataclass(frozen=True)
class Check:
    """One figure of the wake-up check. ``limit`` is ``None`` for a figure that is only reported."""

    name: str
    value: float
    limit: float | None
    passed: bool
    sentence: str

    def as_dict(self) -> dict:
        """The check as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Replies:
    """Greedy replies of the brain to the taught prompts, the dreamt probes and the ordinary prompts, in their order."""

    taught: list[str]
    dreamt: list[str]
    ordinary: list[str]


def ordinary_prompts() -> list[str]:
    """The thirty prompts of the wake-up check; nothing like them is rehearsed (a test compares)."""
    return (PROBES / "wake.txt").read_text(encoding="utf-8").splitlines()


def ask_all(base: Base, day: Sequence[Experience], dreamt: Sequence[str]) -> Replies:
    """What the brain says now, to everything that the wake-up check asks; ``dreamt``: questions in other words."""
    chats = [chat(experience.prompt, experience.context) for experience in day]
    chats += [chat(question) for question in dreamt] + [chat(prompt) for prompt in ordinary_prompts()]
    said = generate(base, chats, REPLY_TOKENS)
    return Replies(said[: len(day)], said[len(day) : len(day) + len(dreamt)], said[len(day) + len(dreamt) :])


def learned(day: Sequence[Experience], taught: Sequence[str]) -> list[bool]:
    """Whether each taught reply comes back in free generation."""
    return [token_f1(said, experience.response) >= LEARNED_F1 for experience, said in zip(day, taught, strict=True)]


def check(day: Sequence[Experience], probes: Sequence[Lesson], before: Replies, after: Replies, gates: Gates) -> list[Check]:
    """The figures of one morning; the night is kept when all of them passed."""
    came_back = learned(day, after.taught)
    reworded = [token_f1(said, probe.reply) >= LEARNED_F1 for probe, said in zip(probes, after.dreamt, strict=True)]
    same = [same_words(old, new) for old, new in zip(before.ordinary, after.ordinary, strict=True)]
    kept = sum(same) / len(same)
    more_alike = collapse(after.ordinary) - collapse(before.ordinary)
    said = after.taught + after.ordinary
    repeated = sum(repeated_4grams(text) for text in said) / len(said)
    checks = [
        Check("learned", sum(came_back) / len(came_back), None, True,
              f"{sum(came_back)} of {len(came_back)} taught replies come back when their question is asked."),
        Check("kept", kept, gates.kept, kept >= gates.kept,
              f"{sum(same)} of {len(same)} ordinary prompts are answered as before (at least {gates.kept:.0%} must be)."),
        Check("collapse", more_alike, gates.collapse, more_alike <= gates.collapse,
              f"Of the pairs of ordinary replies {more_alike:.0%} more than before are nearly the same "
              f"(at most {gates.collapse:.0%} may be)."),
        Check("repeated", repeated, gates.repeated, repeated <= gates.repeated,
              f"{repeated:.0%} of the words repeat a run of four (at most {gates.repeated:.0%} may)."),
    ]  # fmt: skip
    if reworded:
        share = sum(reworded) / len(reworded)
        sentence = f"{sum(reworded)} of {len(reworded)} questions in other words, not trained on, get the taught reply."
        checks.insert(1, Check("generalised", share, None, True, sentence))
    return checks
