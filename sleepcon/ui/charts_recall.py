"""The heat map of recall: a row for each taught experience, a column for each night. Experiences are numbered."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from sleepcon.metrics import CAME_BACK_F1
from sleepcon.recall import Replies, scores
from sleepcon.ui import charts
from sleepcon.ui.charts_runs import DARK_FROM, LOW_TO_HIGH

FEW = 5
"""So many columns leave room for a number in each cell on a small screen; more have the mark alone."""
CAME_BACK, NOT = "✓", "✗"


def heat_map(about: Sequence[dict], cycles: Sequence[int], replies: Replies, key: str) -> None:
    """Token F1 of each reply with the taught one; a tick where it came back, a frame around the night that first took it."""
    found = scores(replies, about)
    places = ["before", *(str(cycle) for cycle in cycles[1:])]
    names = [str(number) for number in range(1, len(about) + 1)]
    table = [[column[row] for column in found] for row in range(len(about))]
    figure = go.Figure(
        go.Heatmap(
            x=places, y=names, z=table, zmin=0, zmax=1, colorscale=LOW_TO_HIGH, xgap=2, ygap=2,
            hovertemplate="experience %{y}, night %{x}: %{z:.2f}<extra></extra>", colorbar={"title": "F1", "thickness": 12},
        )
    )  # fmt: skip
    for row, one in enumerate(about):
        for column, value in enumerate(table[row]):
            if value is not None:
                colour = "#ffffff" if value > DARK_FROM else "#0b101a"
                figure.add_annotation(x=column, y=row, text=cell(value, len(places)), showarrow=False, font={"color": colour})
        if one["cycle"] in cycles:
            at = cycles.index(one["cycle"])
            figure.add_shape(type="rect", x0=at - 0.47, x1=at + 0.47, y0=row - 0.47, y1=row + 0.47,
                             line={"color": "#c8641b", "width": 3})  # fmt: skip
    figure.update_layout(
        xaxis={"title": "after night", "type": "category"},
        yaxis={"title": "experience", "type": "category", "autorange": "reversed"},
    )
    last = [row[-1] for row in table]
    back = sum(value is not None and value >= CAME_BACK_F1 for value in last)
    alt = (
        f"Token F1 of the replies to {len(about)} taught questions, before any night and after {len(places) - 1}. "
        f"After the last, {back} come back and {sum(value is None for value in last)} were not asked."
    )
    rows = [
        {"experience": name, "prompt": one["prompt"], "first taught in night": one["cycle"]}
        | {f"after {place}" if place != "before" else place: worded(value) for place, value in zip(places, row, strict=True)}
        for name, one, row in zip(names, about, table, strict=True)
    ]
    charts.finished(figure, key, alt, pd.DataFrame(rows), height=130 + 38 * len(names))


def cell(value: float, columns: int) -> str:
    """What stands in a cell."""
    mark = CAME_BACK if value >= CAME_BACK_F1 else NOT
    return f"{value:.2f} {mark}" if columns <= FEW else mark


def worded(value: float | None) -> str:
    """What stands in the table."""
    if value is None:
        return "not asked"
    return f"{value:.2f}, {'came back' if value >= CAME_BACK_F1 else 'did not come back'}"
