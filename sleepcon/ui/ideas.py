"""The four Big Ideas as data: what the first page's cards say, and where each leads."""

from dataclasses import dataclass

import streamlit as st

from sleepcon.ui import shell


@dataclass(frozen=True)
class Idea:
    """One card: its heading, the technical term, the human analogy, what it is here, and the page that shows it."""

    heading: str
    term: str
    analogy: str
    here: str
    page: str


IDEAS = (
    Idea(
        "Memory During Rest", "Sleep-Cycle Training",
        "People do not store a day as it goes by. Much of it is sorted and kept while they sleep.",
        "The model is awake and collects exchanges. At night it trains on a few of them.",
        "cycles",
    ),
    Idea(
        "Emotional Importance", "SNARC Salience Scoring",
        "A fright or a kind word stays for years; the weather of that day does not.",
        "Each exchange gets a salience from five factors. Only what reaches a threshold is trained on.",
        "filter",
    ),
    Idea(
        "Gentle Learning", "LoRA (Low-Rank Adaptation)",
        "Who learns the piano can still ride a bicycle.",
        "A small adapter beside the weights learns. The weights themselves stay as they are, bit for bit.",
        "lora",
    ),
    Idea(
        "The Frozen Problem", "Frozen Weights Hypothesis",
        "A stirring talk wears off unless somebody practises what it was about.",
        "What stands in the context is gone in the next one. The hypothesis: only a change of weights lasts.",
        "frozen",
    ),
)  # fmt: skip


def cards() -> None:
    """The four, two beside two, or one under the other on a narrow screen."""
    for pair in (IDEAS[:2], IDEAS[2:]):
        for column, idea in zip(st.columns(2), pair, strict=True):
            with column.container(border=True, height="stretch"):
                st.subheader(idea.heading, anchor=False)
                st.markdown(f"**{idea.term}**")
                st.markdown(idea.analogy)
                st.markdown(idea.here)
                shell.link(idea.page, dict(shell.PAGES)[idea.page])
