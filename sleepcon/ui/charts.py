"""Charts, each with a text alternative. A live one updates in place (Vega); a finished one is Plotly's, with its table."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from sleepcon.ui.palette import BLUE

HEIGHT = 260


def live_loss(curve: Sequence[tuple[int, float]], steps: int, height: int = HEIGHT) -> None:
    """The loss so far. Its horizontal axis has room for all ``steps`` from the start, so nothing jumps."""
    room = {"domain": [1, max(steps, 2)], "nice": False}
    spec = {
        "mark": {"type": "line", "color": BLUE, "strokeWidth": 2.5},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "title": "step", "scale": room},
            "y": {"field": "loss", "type": "quantitative", "title": "loss (nats per token)", "scale": {"zero": True}},
        },
    }
    data = pd.DataFrame(curve, columns=["step", "loss"])
    now = f"at step {curve[-1][0]} it is {curve[-1][1]:.3f}" if curve else "no step yet"
    alt = f"Loss of the taught replies while the brain sleeps: {now}."
    st.vega_lite_chart(data, spec, height=height, key="live-loss", alt=alt)


def finished_loss(curve: Sequence[float], key: str) -> None:
    """The loss of a finished night by step, with its table."""
    steps = list(range(1, len(curve) + 1))
    figure = go.Figure(go.Scatter(x=steps, y=list(curve), mode="lines", line={"color": BLUE, "width": 2.5}))
    figure.update_layout(xaxis_title="step", yaxis_title="loss (nats per token)", yaxis_rangemode="tozero", showlegend=False)
    figure.update_traces(hovertemplate="step %{x}: %{y:.3f}<extra></extra>")
    alt = f"Loss of the taught replies over {len(curve)} steps, from {curve[0]:.3f} to {curve[-1]:.3f} nats per token."
    finished(figure, key, alt, pd.DataFrame({"step": steps, "loss (nats per token)": curve}))


def bare(figure: go.Figure, key: str, alt: str, height: int) -> None:
    """A finished figure with its text alternative; the caller has its table elsewhere on the page."""
    figure.update_layout(height=height, margin={"l": 10, "r": 10, "t": 10, "b": 10}, dragmode=False)
    st.plotly_chart(figure, key=f"{key}-chart", config={"displayModeBar": False}, alt=alt)


def error_bars(numbers: Sequence[dict], colour: str) -> dict:
    """Plotly's error bars of means with an interval (``mean``, ``low``, ``high``; ``None`` at both ends: no bar)."""
    above, below = (
        [sign * (one[end] - one["mean"]) if one[end] is not None else 0.0 for one in numbers]
        for end, sign in (("high", 1), ("low", -1))
    )
    look = {"color": colour, "thickness": 1.5, "width": 3}
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below} | look


def finished(figure: go.Figure, key: str, alt: str, table: pd.DataFrame, height: int = HEIGHT) -> None:
    """A finished figure with its text alternative, and its numbers as a table. ``key``: one of its own on the page."""
    bare(figure, key, alt, height)
    with st.expander("The same numbers as a table"):
        st.dataframe(table, hide_index=True, key=f"{key}-table")
