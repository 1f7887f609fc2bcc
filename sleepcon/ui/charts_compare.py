"""A chart of two values for each of a few things, side by side: two arms of a measurement, or two ways to count."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from sleepcon.ui import charts
from sleepcon.ui.palette import BLUE, GREY


def paired_bars(
    names: Sequence[str], left: tuple[str, Sequence[float]], right: tuple[str, Sequence[float]], axis: str, key: str
) -> None:
    """Bars of shares (0..1), two for each name, with their table. ``left`` and ``right``: (what it is, one value a name).

    ``names`` are ours, never a person's words: Plotly reads some tags in them.
    """
    figure = go.Figure()
    for (label, values), colour, pattern in ((left, GREY, "/"), (right, BLUE, "")):
        figure.add_bar(
            x=list(names), y=list(values), name=label, text=[f"{value:.2f}" for value in values], textposition="outside",
            marker={"color": colour, "pattern": {"shape": pattern}, "line": {"color": colour, "width": 1.5}}, cliponaxis=False,
            hovertemplate="%{x}: %{y:.3f}<extra>" + label + "</extra>",
        )  # fmt: skip
    figure.update_layout(
        barmode="group", yaxis_title=axis, yaxis_range=[0, 1.08], bargap=0.3,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    said = [f"{name}: {a:.2f} {left[0]}, {b:.2f} {right[0]}" for name, a, b in zip(names, left[1], right[1], strict=True)]
    alt = f"{axis}. {'; '.join(said)}."
    table = pd.DataFrame({"": list(names), left[0]: list(left[1]), right[0]: list(right[1])})
    charts.finished(figure, key, alt, table, height=300)
