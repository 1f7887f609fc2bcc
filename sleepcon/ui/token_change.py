"""How likely the brain holds each token of a taught reply, before a night and after it."""

import html
import math
import re
from collections.abc import Sequence

import pandas as pd
import streamlit as st

FULL = 4.0
"""Nats of change at which a token's shade is strongest."""
STRONGEST = 0.5
LIKELIER, LESS_LIKELY = "47,127,193", "200,100,27"
"""Shades as red, green, blue: those of ``palette.BLUE`` and ``palette.ORANGE``."""

END = re.compile(r"<\|\w+\|>")
Token = Sequence  # [text, log-probability before, after], as the ledger's ``tokens``


def shaded(tokens: Sequence[Token]) -> None:
    """The reply with each token shaded by its change; what became less likely is underlined too, so colour is not alone.

    The only place where words of a person become HTML: each token is escaped first, and stands as text alone.
    """
    st.html(f'<div style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9">{"".join(map(span, tokens))}</div>')


def span(token: Token) -> str:
    """One token as HTML, its text escaped."""
    text, before, after = token
    share = STRONGEST * min(1.0, abs(after - before) / FULL)
    colour, line = (LIKELIER, "none") if after >= before else (LESS_LIKELY, "underline dotted")
    style = f"background:rgba({colour},{share:.2f});border-radius:3px;text-decoration:{line}"
    return f'<span style="{style}">{html.escape(shown(text))}</span>'


def shown(text: str) -> str:
    """A token's text; the mark that ends a reply in words."""
    return " (end)" if END.fullmatch(text) else text


def table(tokens: Sequence[Token]) -> pd.DataFrame:
    """A row for each token: its probability before and after in per cent, and the change of its logarithm in nats."""
    return pd.DataFrame(
        {
            "token": [shown(text) for text, _, _ in tokens],
            "before": [f"{math.exp(before):.1%}" for _, before, _ in tokens],
            "after": [f"{math.exp(after):.1%}" for _, _, after in tokens],
            "change (nats)": [f"{after - before:+.2f}" for _, before, after in tokens],
        }
    )


def losses(tokens: Sequence[Token]) -> tuple[float, float]:
    """Loss of the whole reply before and after, in nats per token."""
    return -sum(before for _, before, _ in tokens) / len(tokens), -sum(after for _, _, after in tokens) / len(tokens)
