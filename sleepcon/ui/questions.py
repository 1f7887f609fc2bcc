"""The document's open questions: the study of each, what its result cannot say, and what can be tried by hand today."""

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
    """How a question is answered. ``study``: its name in ``sleepcon/studies/``; ``limits``: what its result cannot say."""

    study: str
    limits: str
    tries: tuple[Try, ...] = ()

    @property
    def question(self) -> str:
        """The document's words."""
        return dict(QUESTIONS)[self.study]


LIMITS = (
    "One base of some millions of parameters and one set of experiences by one author: an interval covers chance between "
    "seeds, not other bases or other words. Many arms and figures are compared, and intervals are not corrected for that."
)
"""What holds for every study."""

PROTOCOLS = (
    Protocol(
        "cycles",
        '"Never" counts as one more than the nights that were run, so a mean over seeds with a "never" is a lower bound.',
        (Try("cycles", "Sleep cycles", "Sleep, add an exchange, sleep again, and compare the nights."),
         Try("frozen", "The frozen problem", "Follow the same questions over sessions, with and without a night.")),
    ),
    Protocol(
        "threshold",
        "The rows trained on are equal by plan; where fewer rows are dreamt than a step has room for, an arm gets a few less.",
        (Try("filter", "What gets remembered?", "Move the threshold and see what passes; then sleep on exactly that."),
         Try("cycles", "Sleep cycles", "Run one night at a low and one at a high threshold, and compare them.")),
    ),
    Protocol(
        "timing",
        "Four sessions of three experiences: a longer life, or sessions of another size, may come out otherwise.",
        (Try("cycles", "Sleep cycles", "Sleep on one exchange at a time, start over, and sleep on all of them at once."),
         Try("filter", "What gets remembered?", "Add exchanges before the night, or between two nights.")),
    ),
    Protocol(
        "sharing",
        "TIES and DARE were made for whole weight matrices; here they are applied to the two factors, each for itself.",
        (Try("lora", "Gentle learning: LoRA", "See how nights are joined side by side, and give an adapter in other doses."),
         Try("specifications", "Technical specifications", "See what one night's adapter weighs: this is what would be sent.")),
    ),
    Protocol(
        "creativity",
        "Variety is not quality, and new words may be nonsense.",
        (Try("lora", "Gentle learning: LoRA", "Move the dose and read the reply to an open question."),
         Try("cycles", "Sleep cycles", "Run the same day with two seeds and compare what the brains say.")),
    ),
)  # fmt: skip
"""In the document's order."""

FURTHER = (
    Protocol(
        "controls",
        "What sleeps by salience is judged by salience too: that a random choice keeps less of it follows from the budget.",
    ),
    Protocol("dose", "One night on five experiences: what a dose does over many nights is not asked here."),
)
"""Beside the document's: whether it is sleep that does it, and how much of it."""
