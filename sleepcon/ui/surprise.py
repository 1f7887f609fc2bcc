"""A reply as a row of tokens, each shaded by how much it surprised the brain, with its number; and the same as a table."""

import html
import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from sleepcon.ui import components

FULL = 8.0
"""Nats at which a token's shade is strongest: a probability of 1 in 3,000."""
STRONGEST = 0.5
SHOWN = 200
"""Tokens that the row shows at most; the table has all."""

Scored = Sequence  # [text, log-probability]


def readable(text: str) -> str:
    """A token's text with a sign for what cannot be seen."""
    return text.strip(" ").replace("\n", "⏎").replace("\t", "⇥") or "␣"


def row(tokens: Sequence[Scored]) -> None:
    """The tokens of a reply in their order, its end mark last. Each is escaped and stands as text alone."""
    texts = [readable(text) for text, _ in tokens[:-1]] + ["(end)"]
    spans = "".join(span(text, -logprob) for text, (_, logprob) in zip(texts[:SHOWN], tokens[:SHOWN], strict=False))
    st.html(
        '<div role="group" aria-label="Tokens of the reply, each with its surprisal in nats" '
        f'style="display:flex;flex-wrap:wrap;gap:3px">{spans}</div>'
    )
    if len(tokens) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(tokens)} tokens; the table has all.")


def span(text: str, nats: float) -> str:
    """One token over its surprisal."""
    shade = STRONGEST * min(1.0, max(0.0, nats) / FULL)
    return (
        f'<span style="background:rgba(47,127,193,{shade:.2f});border-radius:4px;padding:1px 5px;text-align:center;'
        f'overflow-wrap:anywhere;max-width:100%">{html.escape(text)}<br>'
        f'<span style="font-size:0.75rem">{nats:.1f}</span></span>'
    )


def most(tokens: Sequence[Scored]) -> None:
    """In words, the token that surprised the brain most."""
    place = min(range(len(tokens)), key=lambda index: tokens[index][1])
    text = "the end of the reply" if place == len(tokens) - 1 else f"“{readable(tokens[place][0])}”"
    nats = -tokens[place][1]
    components.words(f"Most surprising: {text}, with {nats:.1f} nats. The brain gave it a probability of {chance(-nats)}.")


def chance(logprob: float) -> str:
    """A probability in per cent, small ones with enough figures to tell them apart."""
    share = math.exp(logprob)
    return f"{share:.0%}" if share >= 0.095 else f"{share:.2%}" if share >= 0.0001 else "under 0.01%"


def table(tokens: Sequence[Scored]) -> pd.DataFrame:
    """A row for each token: its probability and its surprisal in nats."""
    return pd.DataFrame(
        {
            "token": [readable(text) for text, _ in tokens[:-1]] + ["(end)"],
            "probability": [chance(logprob) for _, logprob in tokens],
            "surprisal (nats)": [f"{-logprob:.2f}" for _, logprob in tokens],
        }
    )


def draw(tokens: Sequence[Scored], key: str) -> None:
    """All of it."""
    row(tokens)
    most(tokens)
    mean = -sum(logprob for _, logprob in tokens) / len(tokens)
    st.caption(
        f"Mean over the {len(tokens)} tokens: {mean:.2f} nats per token. 0 nats: certain; 2.3: one in ten; 4.6: one in 100."
    )
    with st.expander("The same numbers as a table"):
        st.dataframe(table(tokens), hide_index=True, key=f"{key}-table")
