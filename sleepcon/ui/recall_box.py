"""What is still there after each night: the heat map of taught experiences by nights, and a warning where replies collapse."""

from collections.abc import Sequence

import streamlit as st

from sleepcon import recall
from sleepcon.ledger import Cycle
from sleepcon.ui import charts_recall, components, run_box
from sleepcon.ui.night_box import Box
from sleepcon.ui.runs import Run


def draw(box: Box, recorded: Run | None) -> None:
    """The heat map of the visitor's kept nights, else of the recorded one. The job fills in what the ledger does not hold."""
    rows = [row for row in box.view.nights if row.kept]
    if rows:
        own(box, rows)
    elif recorded and not box.view.nights:
        charts_recall.heat_map(recall.taught([recorded.cycle]), recall.columns([recorded.cycle]),
                               recall.known([recorded.cycle]), "recall")  # fmt: skip
        recorded.label("token F1 of each reply with the taught one")
    else:
        st.markdown("No night has been kept yet: after the first, this shows what of it comes back, then and later.")


def own(box: Box, rows: Sequence[Cycle]) -> None:
    """The visitor's nights."""
    about, columns = recall.taught(rows), recall.columns(rows)
    shown = st.container()  # what the box below has found is drawn above it
    result = None
    if not box.resting:
        st.caption(
            "Each night's row holds what was said right before and after it. This asks everything again after every night."
        )
        arguments = {"cycle": rows[-1].cycle}
        result = run_box.box("recall", arguments, "Ask again after every night", "Asking the brain.", apart="recall")
    with shown:
        replies = result["replies"] if result else recall.known(rows)
        charts_recall.heat_map(about, columns, replies, "recall")
        source = f"base {result['base_sha256'][:12]}" if result else "from the ledger; blank where it was not asked"
        components.measured(box.view.label, f"token F1 of each greedy reply with the taught one, {source}")
        if len(columns) <= sum(row.kept for row in box.view.nights):
            st.caption(f"The newest {recall.MOST_NIGHTS} kept nights are shown.")
        for cycle, said in zip(columns[1:], result["replies"][1:] if result else (), strict=False):
            if recall.collapsed(said, [one["taught"] for one in about]):
                warn(f"After night {cycle} the brain says nearly the same to over half of the pairs of taught questions.")


def collapse(run: Run) -> None:
    """Warn where the chosen night made replies collapse."""
    cycle = run.cycle
    failed = next((check for check in cycle.checks if check["name"] == "collapse" and not check["passed"]), None)
    if failed:
        warn(f"{run.title}: the brain began to say nearly the same thing to different questions. {failed['sentence']}")
    elif recall.collapsed([one["after"] for one in cycle.replies], [one["taught"] for one in cycle.replies]):
        warn(
            f"{run.title}: over half of the pairs of replies to its own questions are nearly the same; the taught ones are not."
        )


def warn(sentence: str) -> None:
    """The warning, and what may be tried."""
    st.warning(f"**Replies collapse.** {sentence} A smaller dose, or a fresh brain, may be tried.",
               icon=":material/warning:")  # fmt: skip
