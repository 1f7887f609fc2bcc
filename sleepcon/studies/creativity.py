"""Does a brain that has slept say less varied things where nothing was taught, and from which dose on does it collapse?"""

from typing import TYPE_CHECKING

from sleepcon.documented import QUESTIONS
from sleepcon.studies.protocol import FIGURES, PROBES, Arm, Study

if TYPE_CHECKING:
    from sleepcon.model import Base

DOSES = (0, 0.25, 0.5, 1, 2, 4)
EXPERIENCES = 5
SAMPLES, TEMPERATURE = 3, 1.0
BUDGET = 100
"""Words of a run's replies among which different ones are counted."""


def run(base: "Base", arm: Arm, seed: int) -> dict:
    """One night at a multiple of the base's learning rate, then three sampled replies to each of twelve open prompts."""
    from sleepcon import adapter
    from sleepcon.studies import lab
    from sleepcon.studies.probing import drawn

    day = drawn(seed, EXPERIENCES)
    with lab.fresh(base) as brain:
        lab.remember(brain, day)
        options = {"control": arm.settings.get("control", ""), "learning_rate": lab.rate(base, arm.settings["dose"])}
        night = lab.sleep(brain, seed, 0.0, **options)
        heard = lab.listen(brain, day)
        with adapter.worn(base, brain.adapter_after(None)):
            asked, said = sampled(base, seed)
    return lab.result(heard.figures() | variety(base, day, asked, said), [night], replies=said)


def sampled(base: "Base", seed: int) -> tuple[list[str], list[str]]:
    """The open prompts, each several times, and a sampled reply to each."""
    from sleepcon.model import chat, sample
    from sleepcon.studies.probing import REPLY_TOKENS, prompts

    asked = prompts("open") * SAMPLES
    return asked, sample(base, [chat(prompt) for prompt in asked], seed, REPLY_TOKENS, TEMPERATURE)


def variety(base: "Base", day: list, asked: list[str], said: list[str]) -> dict[str, float | None]:
    """How different the replies are from each other, from what was taught, and from what the base says to the pool."""
    from sleepcon.dream import ordinary_of
    from sleepcon.metrics import collapse, holds, repeated_4grams
    from sleepcon.studies.probing import mean
    from sleepcon.variety import collapsed, distinct_n, known_4grams, new_4grams, self_bleu_4, words_in

    known = known_4grams([item.experience.response for item in day] + (ordinary_of(base).replies or []))
    enough = words_in(said) >= BUDGET
    return {
        "distinct_2": distinct_n(said, 2, BUDGET) if enough else None,
        "distinct_1": distinct_n(said, 1, BUDGET) if enough else None,
        "self_bleu": self_bleu_4(said), "repeated": mean([repeated_4grams(text) for text in said]),
        "new": new_4grams(said, known),
        "taught_words": mean([float(any(holds(text, item.key) for item in day)) for text in said]),
        "alike": collapse(said, asked), "collapsed": float(collapsed(said, asked)),
    }  # fmt: skip


STUDY = Study(
    "creativity",
    dict(QUESTIONS)["creativity"],
    "The stronger the dose, the less varied a brain's replies to open prompts where nothing was taught, and a night on "
    "unrelated exchanges at the base's own dose does the same; at some multiple of that dose replies collapse into sameness.",
    (
        *(Arm(f"dose_{dose:g}", f"A night at {dose:g} x the base's own learning rate.", {"dose": dose}) for dose in DOSES),
        Arm("unrelated", "A night at the base's own dose on as many exchanges about other things.",
            {"dose": 1, "control": "unrelated"}),
    ),
    "dose_0",
    {
        "distinct_2": f"share of different pairs of words among the first {BUDGET} words of the sampled replies, 0 to 1",
        "distinct_1": f"share of different words among the first {BUDGET}, 0 to 1",
        "self_bleu": "mean BLEU-4 of each reply against all others, 0 to 1; more is more alike",
        "repeated": "mean share of a reply's runs of four words that it said before, 0 to 1",
        "new": "share of runs of four words that are neither taught nor in the base's replies to ordinary questions, 0 to 1",
        "taught_words": "share of replies that hold the key words of something taught, which nobody asked for, 0 to 1",
        "alike": "share of pairs of replies to different prompts that are nearly the same, 0 to 1",
        "collapsed": "whether over half of the pairs of replies to different prompts are nearly the same, 0 or 1",
    } | FIGURES,
    "One night; the probes are asked after it.",
    run,
    ("dose_0", "dose_1"),
    f"{PROBES} Beside them the file's twelve open prompts, each answered {SAMPLES} times at temperature {TEMPERATURE:g}.",
)  # fmt: skip
