"""The filter as a page sees it: which salience counts, how its five factors are weighed, and where the threshold lies.

    chosen = filtering.current()            # from the state, so from the URL
    chosen.passing(view)                    # what reaches the threshold, most salient first
    chosen.arguments(seed)                  # what a job "sleep" needs to sleep on exactly that

No torch: the five factors of an experience stand in memory, and their weighted mean is computed here at once.
"""

from dataclasses import dataclass

from sleepcon.ui import brains, components, state
from sleepcon.ui.brains import Held, View

FACTORS = ("surprise", "novelty", "arousal", "reward", "conflict")
"""SNARC's five, in the order of its letters (``sleepcon.salience`` has the same, but brings torch)."""


def total(scores: dict[str, dict], weights: tuple[float, ...]) -> float:
    """Weighted mean of five stored factors, 0..1; ``weights`` in the order of ``FACTORS``, not all 0."""
    return sum(weight * scores[name]["value"] for name, weight in zip(FACTORS, weights, strict=True)) / sum(weights)


@dataclass(frozen=True)
class Filter:
    """``measured``: whether the measured salience decides for the document's exchanges too. ``weights``: one per factor."""

    threshold: float
    measured: bool
    weights: tuple[float, ...]

    def salience(self, held: Held) -> float | None:
        """The salience that decides about an experience, 0..1; ``None`` while it is not measured yet."""
        if held.experience.salience is not None and not self.measured:
            return held.experience.salience
        return total(held.standing.scores, self.weights) if held.standing.scores else None

    def source(self, held: Held) -> str:
        """Where that salience comes from, in a word or two."""
        if held.experience.salience is not None and not self.measured:
            return "documented" if brains.is_documents(held.experience.id) else "stated in your file"
        return "measured" if held.standing.scores else "not measured yet"

    def passes(self, held: Held) -> bool:
        """Whether an experience reaches the threshold."""
        salience = self.salience(held)
        return salience is not None and salience >= self.threshold

    def ordered(self, view: View) -> list[Held]:
        """Every experience, the most salient first; those not measured yet come last."""
        return sorted(
            view.document + view.own, key=lambda held: -1.0 if (of := self.salience(held)) is None else of, reverse=True
        )

    def passing(self, view: View) -> list[Held]:
        """What reaches the threshold, the most salient first."""
        return [held for held in self.ordered(view) if self.passes(held)]

    def waiting(self, view: View) -> list[Held]:
        """What reaches the threshold and no night has consolidated."""
        return [held for held in self.passing(view) if held.standing.cycle is None]

    def unmeasured(self, view: View) -> list[Held]:
        """What has to be measured before it can be filtered."""
        return [held for held in view.document + view.own if self.salience(held) is None]

    def mean(self, view: View) -> float | None:
        """Mean salience of what passes; ``None`` when nothing does."""
        passing = [self.salience(held) or 0.0 for held in self.passing(view)]
        return sum(passing) / len(passing) if passing else None

    def arguments(self, seed: int) -> dict:
        """What a job ``sleep`` is told, so that it sleeps on exactly what passes."""
        weights = dict(zip(FACTORS, self.weights, strict=True))
        return {"threshold": self.threshold, "seed": seed, "measured": self.measured, "weights": weights}

    def sentence(self) -> str:
        """The filter in words, for a caption."""
        source = "measured salience" if self.measured else "documented salience where there is one"
        if len(set(self.weights)) == 1:
            return f"Threshold {components.percent(self.threshold)}, {source}, the five factors weighed alike."
        each = ", ".join(f"{name} {weight:g}" for name, weight in zip(FACTORS, self.weights, strict=True))
        return f"Threshold {components.percent(self.threshold)}, {source}, weights: {each}."


def current() -> Filter:
    """The filter of this session, as the URL has it."""
    return Filter(state.get(state.THRESHOLD), state.get(state.SOURCE) == "measured", state.get(state.WEIGHTS))
