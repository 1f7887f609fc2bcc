"""The document's open questions: what it would take to answer each, and what can be tried by hand today."""

from dataclasses import dataclass

from sleepcon.documented import QUESTIONS


@dataclass(frozen=True)
class Try:
    """Something to do now. ``page``: the name of a file in pages/; ``label``: the link's words; ``what``: what to do there."""

    page: str
    label: str
    what: str


@dataclass(frozen=True)
class Protocol:
    """How a question could be answered. ``result``: what was found, ``None`` while the protocol has not been run."""

    study: str
    hypothesis: str
    arms: tuple[str, ...]
    measured: str
    answer: str
    tries: tuple[Try, ...]
    result: str | None = None

    @property
    def question(self) -> str:
        """The document's words."""
        return dict(QUESTIONS)[self.study]


PROTOCOLS = (
    Protocol(
        "cycles",
        "After some number of nights on the same behaviour, the brain shows it in a fresh context as reliably as it shows what "
        "the base always did, and one more night changes nothing.",
        ("0 to 8 nights, each on other exchanges of the same partner", "the same number of training steps in a single night",
         "the same nights on exchanges that have nothing to do with the behaviour"),
        "Share of unseen questions about the behaviour that are answered with it, in a fresh context, after each night; share "
        "of ordinary questions answered as before.",
        "A number of nights from which the share no longer rises, found again with other seeds and other behaviours; or no "
        "such number, because ordinary replies are lost first.",
        (Try("cycles", "Sleep cycles", "Sleep, add an exchange, sleep again, and compare the nights."),
         Try("frozen", "The frozen problem", "Follow the same questions over sessions, with and without a night.")),
    ),
    Protocol(
        "threshold",
        "A threshold that rises as the memory fills keeps a night short and loses nothing that a fixed one would have kept.",
        ("a fixed threshold of 60%", "a threshold that lets a fixed number pass", "a threshold that rises with what waits",
         "a random choice of the same number"),
        "Taught replies that come back, unseen rewordings answered with them, ordinary replies kept, and the length of the "
        "night, over days of different length.",
        "One rule that is better on taught replies at equal length of the night, beyond the spread over seeds, and better than "
        "the random choice.",
        (Try("filter", "What gets remembered?", "Move the threshold and see what passes; then sleep on exactly that."),
         Try("cycles", "Sleep cycles", "Run one night at a low and one at a high threshold, and compare them.")),
    ),
    Protocol(
        "timing",
        "Sleeping after each exchange teaches as much as one night at the end of the day, and damages more.",
        ("a night after each exchange", "one night on all of them", "one night after as many other exchanges",
         "the order of the day turned round"),
        "For each exchange the taught reply and its rewordings after the last night, by its place in the day; ordinary "
        "replies kept; steps are the same in all arms.",
        "A difference between the arms, with the same sign in most days and seeds, and larger than what another order of the "
        "same day makes.",
        (Try("cycles", "Sleep cycles", "Sleep on one exchange at a time, start over, and sleep on all of them at once."),
         Try("filter", "What gets remembered?", "Add exchanges before the night, or between two nights.")),
    ),
    Protocol(
        "sharing",
        "Two brains on the same base that exchange what a night made of them both know what either was taught.",
        ("each brain alone", "both adapters side by side", "the mean of both adapters",
         "one brain that lived through both days"),
        "Taught replies and rewordings of both days, questions on which the two were taught different things, and ordinary "
        "replies kept.",
        "The shared brain knows both days as well as the one that lived through both, and says which of two contradicting "
        "lessons wins.",
        (Try("lora", "Gentle learning: LoRA", "See how nights are joined side by side, and give an adapter in other doses."),
         Try("specifications", "Technical specifications", "See what one night's adapter weighs: this is what would be sent.")),
    ),
    Protocol(
        "creativity",
        "A brain that has slept on a few exchanges becomes less varied where nothing was taught.",
        ("before any night", "after the night", "after a night on unrelated exchanges",
         "after the night at doses from 0 to 1.5"),
        "Variety of sampled replies to open prompts (different words, different replies, repeated runs of words) and how near "
        "they come to the taught replies, at equal temperature.",
        "A change of variety with the dose, in the same direction over seeds, that the unrelated night does not show.",
        (Try("lora", "Gentle learning: LoRA", "Move the dose and read the reply to an open question."),
         Try("cycles", "Sleep cycles", "Run the same day with two seeds and compare what the brains say.")),
    ),
)  # fmt: skip
"""In the document's order."""
