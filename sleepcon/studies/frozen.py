"""Sessions whose context fades, on one brain, with and without sleep between: the document's claim and the record's."""

from typing import TYPE_CHECKING

from sleepcon.studies.protocol import Arm, Study

if TYPE_CHECKING:
    from sleepcon.model import Base

NUMBERS = (22, 23, 24, 25)


def run(base: "Base", arm: Arm, seed: int) -> dict:
    """The four sessions of ``sleepcon.frozen``. ``course``: as there, from which its page's result can be made again."""
    from dataclasses import asdict

    from sleepcon.frozen import sessions

    course = sessions(base, arm.name, seed)
    figures = told(course.scores(), [sum(one.spared) / len(one.spared) for one in course.sessions])
    passed = None if course.night is None else float(course.night["kept"])
    return {"figures": figures | {"passed": passed}, "nights": [course.night] if course.night else [], "course": asdict(course)}


def told(answered: list[float], spared: list[float]) -> dict[str, float]:
    """Figures by session."""
    by_session = {f"answered_{number}": share for number, share in zip(NUMBERS, answered, strict=True)}
    return {"answered_25": 0.0} | by_session | {"spared_25": spared[-1]}


def settle(runs: list[dict]) -> list[dict]:
    """A probe that a night of a seed dreamt of word for word counts in no arm of that seed."""
    from sleepcon.frozen import courses_of, summed

    shares = {(one["seed"], one["arm"]): one for one in summed(courses_of(runs), "", 0.0)["courses"]}
    found = []
    for one in runs:
        course = shares.get((one["seed"], one["arm"]))
        found.append(one | {"figures": one["figures"] | told(course["answered"], course["spared"])} if course else one)
    return found


STUDY = Study(
    "frozen",
    "Does a night hold what was given in a context that then fades?",
    "Three sessions after the day, with nothing in the context, a brain that slept after the first answers more questions "
    "about the day as taught than one that did not, and one whose night had a learning rate of 0 answers no more.",
    (
        Arm("none", "No sleep between the sessions."),
        Arm("sham", "A night with a learning rate of 0 after session 22."),
        Arm("sleep", "A night at the base's own dose after session 22."),
    ),
    "none",
    {
        "answered_25": "share of the probes answered as taught in session 25, nothing in the context, 0 to 1",
        "answered_22": "the same in session 22, the day in the context", "answered_23": "the same in session 23, half of it",
        "answered_24": "the same in session 24, another exchange in the context",
        "spared_25": "share of look-alike questions that did not get the taught answer in session 25, 0 to 1",
        "passed": "share of nights kept by the wake-up check (here it decides), 0 to 1",
    },
    "Four sessions, numbered as in the published record; the same probes in each.",
    run,
    ("none", "sleep"),
    "The 16 probes and 10 look-alike questions of assets/probes/frozen.json, none of which a night is taught; replies are "
    "greedy. A probe that a night dreamt of word for word counts in no arm of its seed.",
    settle=settle,
)  # fmt: skip
