"""The nights that a page can show: the visitor's own, newest first, and the recorded one."""

import re
from dataclasses import dataclass

from sleepcon.ledger import Cycle
from sleepcon.recorded import Recording, recording
from sleepcon.ui import components, control_box, nights
from sleepcon.ui.brains import View

NEWEST, RECORDED = "newest", "recorded"


@dataclass(frozen=True)
class Run:
    """One night. ``recording`` is set for the recorded one; ``brain``: the label of the brain that had it."""

    title: str
    cycle: Cycle
    brain: str
    recording: Recording | None = None

    def label(self, what: str = "") -> None:
        """Say where this night's numbers come from, with ``what`` was measured in front."""
        before = f"{what}, " if what else ""
        if self.recording:  # its label names the seed itself
            dose = f"learning rate {self.cycle.learning_rate:g}, {self.cycle.epochs} passes"
            components.recorded(self.recording, f"{before}{dose}")
        else:
            components.measured(self.brain, f"{before}{nights.what_of(self.cycle)}")


def of(view: View) -> dict[str, Run]:
    """Every night by its name in the URL: its number, then ``recorded``; newest first, empty when there is none at all."""
    found = {str(cycle.cycle): own(cycle, view) for cycle in reversed(view.nights)}
    kept = recording("night")
    if kept:
        found[RECORDED] = Run("The recorded night", Cycle(**kept.result["cycle"]), RECORDED, kept)
    return found


def own(cycle: Cycle, view: View) -> Run:
    """A night of the visitor's."""
    title = f"Night {cycle.cycle}, {'kept' if cycle.kept else 'rolled back'}{control_box.mark(cycle)}"
    return Run(title, cycle, view.label)


def read_name(text: str) -> str:
    """The name of a run in the URL: ``newest``, ``recorded`` or the number of a night."""
    if not re.fullmatch(rf"{NEWEST}|{RECORDED}|[1-9][0-9]{{0,5}}", text):
        raise ValueError("not the name of a night")
    return text
