"""The chart of a study: its arms one under the other, each with the mean of the main figure and its 95% interval."""

from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from sleepcon.ui import arm_names, charts, study_results
from sleepcon.ui.palette import BLUE, ORANGE
from sleepcon.ui.study_results import spoken, value

STYLES = ((BLUE, "circle"), (ORANGE, "diamond-open"))
NARROW = 19
"""Characters of an arm's title on one line, so that the chart has room beside it on a small screen."""


def arms(results: list[tuple[str, dict]], key: str) -> pd.DataFrame:
    """Means as dots, intervals as bars, of one or two (name, summary) of the same study; returns the chart's table.

    The control arm is named as such.
    """
    _, first = results[0]
    figure, control = study_results.main_figure(first), first["study"]["control"]
    names = list(dict.fromkeys(arm for _, found in results for arm in found["arms"]))
    called = {arm: title for _, found in results for arm, title in arm_names.titles(found["study"]).items()}
    labels = {arm: f"{called[arm]} (control)" if arm == control else called[arm] for arm in names}
    drawn, rows, said = go.Figure(), [], []
    for (title, found), (colour, symbol) in zip(results, STYLES, strict=False):
        there = {arm: found["arms"][arm][figure] for arm in names if arm in found["arms"]}
        shown = {arm: one for arm, one in there.items() if one["mean"] is not None}
        drawn.add_scatter(
            x=[one["mean"] for one in shown.values()], y=[labels[arm] for arm in shown], name=title, mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 11},
            error_x=charts.error_bars(list(shown.values()), colour),
            customdata=[value(one) for one in shown.values()], cliponaxis=False,
            hovertemplate=f"%{{y}}, {title}: %{{customdata}}<extra></extra>",
        )  # fmt: skip
        said.append(f"{title}: " + ", ".join(f"{labels[arm]} {value(one)}" for arm, one in there.items()))
        rows += [
            {"arm": labels[arm], "run": title, "mean": one["mean"], "low": one["low"], "high": one["high"], "seeds": one["n"]}
            for arm, one in there.items()
        ]
    drawn.update_layout(
        xaxis={"title": spoken(figure), "rangemode": "tozero"}, showlegend=len(results) > 1,
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": list(labels.values()), "autorange": "reversed",
               "automargin": True, "tickvals": list(labels.values()),
               "ticktext": [in_lines(label) for label in labels.values()]},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    alt = f"{spoken(figure)} of each arm, mean and 95% interval over seeds. {'. '.join(said)}."
    charts.bare(drawn, key, alt, height=92 + 28 * len(names))
    return pd.DataFrame(rows)


def in_lines(title: str) -> str:
    """An arm's title in lines of some ``NARROW`` characters: two settings on a line each, and other words where they break."""
    parts = title.split(", ")
    return ",<br>".join(parts) if len(parts) > 1 else "<br>".join(wrap(title, NARROW))
