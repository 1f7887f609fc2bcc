"""What a study's arms are called on a page: by their settings where these say it, else in words of our own."""

from sleepcon.controls import CONTROLS

WORDS = {
    "none": "no sleep", "sham": "sham sleep", "in_context": "in context, no sleep", "all_at_once": "one night on all",
    "nights": "several nights", "one_long": "one long night", "fullness": "threshold by fullness",
    "session": "after each session", "at_once": "after each experience", "second": "after every second session",
    "end": "after the last session", "turned": "after each session, turned", "own": "each brain alone",
    "cat": "sum of changes", "linear": "sum of factors", "ties": "TIES", "dare_linear": "DARE", "svd": "sum cut by SVD",
    "joint": "one joint night",
}  # fmt: skip
"""Names that neither their settings nor a blank in place of the underscore would make plain."""


def title(arm: dict) -> str:
    """An arm of ``Study.describe()`` in a few words. Factors are multiples of the base's own dose."""
    name, settings = arm["name"], arm["settings"]
    if "control" in settings:
        return CONTROLS[settings["control"]].title.lower()
    if "rate" in settings and "epochs" in settings:
        return f"{times(settings['rate'], 'rate')}, {times(settings['epochs'], 'epochs')}"
    if "dose" in settings:
        return times(settings["dose"], "rate")
    if "threshold" in settings:
        return f"threshold {settings['threshold']:g}"
    return WORDS.get(name, name.replace("_", " "))


def times(factor: float, what: str) -> str:
    """A multiple of the base's own, on one line."""
    return f"{factor:g}\u00a0×\u00a0{what}"


def titles(study: dict) -> dict[str, str]:
    """Arm -> its title. ``study``: ``Study.describe()``, as a summary holds it under ``study``."""
    return {arm["name"]: title(arm) for arm in study["arms"]}
