"""Charts of one experience: its factors, and the losses of a night with it and without it."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from sleepcon.ui import charts, components
from sleepcon.ui.palette import BLUE, GREY, ORANGE


def factors(rows: Sequence[tuple[str, float | None, float | None]], key: str) -> None:
    """Factors of 0..1 as (name, documented, measured), ``None`` where there is none; names are ours."""
    figure = go.Figure()
    names = [name for name, _, _ in rows]
    table = pd.DataFrame({"factor": names})
    spoken = []
    given, found = [row[1] for row in rows], [row[2] for row in rows]
    for label, values, colour, pattern in (("documented", given, GREY, "/"), ("measured", found, BLUE, "")):
        if all(value is None for value in values):
            continue
        shown = ["" if value is None else components.percent(value) for value in values]
        figure.add_bar(
            y=names, x=values, name=label, orientation="h", text=shown, textposition="outside", cliponaxis=False,
            marker={"color": colour, "pattern": {"shape": pattern}, "line": {"color": colour, "width": 1.5}},
            hovertemplate="%{y}: %{x:.3f}<extra>" + label + "</extra>",
        )  # fmt: skip
        table[label] = shown
        spoken.append(
            f"{label}: " + ", ".join(f"{name} {text or 'not given'}" for name, text in zip(names, shown, strict=True))
        )
    figure.update_layout(
        barmode="group", bargap=0.3, yaxis={"autorange": "reversed", "title": None},
        xaxis={"range": [0, 1.25], "tickformat": ".0%", "tickvals": [0, 0.5, 1], "title": None},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    charts.finished(figure, key, f"Salience factors. {'; '.join(spoken)}.", table, height=90 + 46 * len(rows))


def losses(
    names: Sequence[str], before: Sequence[float | None], with_it: Sequence[float | None], without: Sequence[float], key: str
) -> None:
    """Loss of each taught reply before the night, after it, and after the night without one of them; ``names`` are ours."""
    figure = go.Figure()
    marks = (
        ("before the night", before, GREY, "circle-open"),
        ("after it", with_it, BLUE, "diamond"),
        ("after the night without", without, ORANGE, "x"),
    )
    for said, values, colour, symbol in marks:
        figure.add_scatter(
            x=list(values), y=list(names), name=said, mode="markers", marker={"color": colour, "symbol": symbol, "size": 12},
            cliponaxis=False,
            hovertemplate="%{y}, " + said + ": %{x:.3f}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "loss (nats per token)", "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed", "title": None, "ticklabelstandoff": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    table = pd.DataFrame({"experience": list(names), **{said: list(values) for said, values, _, _ in marks}})
    spoken = " ".join(
        f"{name}: " + ", ".join(f"{said} {'not known' if row[place] is None else format(row[place], '.3f')}"
                                for place, (said, _, _, _) in enumerate(marks)) + "."
        for name, *row in zip(names, before, with_it, without, strict=True)
    )  # fmt: skip
    charts.finished(figure, key, f"Loss of each taught reply. {spoken}", table, height=150 + 40 * len(names))
