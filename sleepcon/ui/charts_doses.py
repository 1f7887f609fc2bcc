"""The dose-response chart of a study: two figures against a multiple of the base's own dose, a line for each second setting."""

from dataclasses import dataclass

import pandas as pd
from plotly.subplots import make_subplots

from sleepcon.ui import arm_names, charts
from sleepcon.ui.palette import BLUE, GREEN, ORANGE, PINK
from sleepcon.ui.study_results import spoken, value

STYLES = ((BLUE, "circle", "solid"), (ORANGE, "diamond", "dash"), (GREEN, "square", "dot"), (PINK, "x", "dashdot"))
APART = 0.07
"""What a line's points stand beside the next one's, in steps of the axis, so that their intervals do not cover each other."""


@dataclass(frozen=True)
class Response:
    """What is drawn of a study. ``figures``: its main one and another.

    ``dose``: the setting on the horizontal axis, ``line``: the one that a line holds fixed.
    """

    figures: tuple[str, str]
    dose: str
    axis: str
    words: str
    line: str = ""
    beside: str = ""
    """The title of the arms that have a setting of another kind; they are drawn as points, without a line."""


RESPONSES = {
    "dose": Response(
        ("learned", "unchanged"), "epochs", "epochs, times the base's own",
        "One line for each learning rate, as a multiple of the base's own.", line="rate",
    ),
    "creativity": Response(
        ("distinct_2", "collapsed"), "dose", "learning rate, times the base's own",
        "The line joins the nights on the same experiences; the point beside it is a night on unrelated text.",
        beside="unrelated text",
    ),
}  # fmt: skip
"""By study: those whose arms are doses."""


Lines = dict[str, list[tuple[float, str]]]
"""Name of a line -> its (dose, arm), by rising dose."""


def lines(found: dict) -> Lines:
    """The lines of a ``studies.results.summary``; none where its arms are no doses, or no line has two of them."""
    shape = RESPONSES.get(found["study"]["name"])
    drawn: Lines = {}
    if shape is None:
        return {}
    there = [(arm["settings"], arm["name"]) for arm in found["study"]["arms"] if arm["name"] in found["arms"]]
    for settings, arm in sorted(there, key=lambda one: (one[0].get(shape.line, 0), one[0][shape.dose])):
        name = arm_names.times(settings[shape.line], shape.line) if shape.line else "same experiences"
        drawn.setdefault(shape.beside if "control" in settings else name, []).append((settings[shape.dose], arm))
    return drawn if any(len(points) > 1 for points in drawn.values()) else {}


def response(found: dict, drawn: Lines, key: str) -> pd.DataFrame:
    """Draw ``lines(found)``, the two figures one under the other; returns the chart's table."""
    shape = RESPONSES[found["study"]["name"]]
    doses = sorted({dose for points in drawn.values() for dose, _ in points})
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08)
    rows, said = [], []
    for place, ((name, points), (colour, symbol, dash)) in enumerate(zip(drawn.items(), STYLES, strict=False)):
        aside = APART * (place - (len(drawn) - 1) / 2)
        for row, measure in enumerate(shape.figures, 1):
            known = [(dose, one) for dose, arm in points if (one := found["arms"][arm][measure])["mean"] is not None]
            figure.add_scatter(
                x=[doses.index(dose) + aside for dose, _ in known], y=[one["mean"] for _, one in known], row=row, col=1,
                name=name, legendgroup=name, showlegend=row == 1, mode="markers" if name == shape.beside else "lines+markers",
                line={"color": colour, "dash": dash, "width": 2}, marker={"color": colour, "symbol": symbol, "size": 9},
                error_y=charts.error_bars([one for _, one in known], colour),
                customdata=[(f"{dose:g}", value(one)) for dose, one in known], cliponaxis=False,
                hovertemplate=f"{name}, dose %{{customdata[0]}}: %{{customdata[1]}}<extra>{spoken(measure)}</extra>",
            )  # fmt: skip
            said.append(f"{spoken(measure)}, {name}: " + ", ".join(f"{value(one)} at {dose:g}" for dose, one in known))
            rows += [
                {"figure": spoken(measure), "line": name, shape.axis: dose, "mean": one["mean"], "low": one["low"],
                 "high": one["high"], "seeds": one["n"]}
                for dose, one in known
            ]  # fmt: skip
        figure.update_yaxes(range=[0, 1.03], tickvals=[0, 0.5, 1])
    for row, measure in enumerate(shape.figures, 1):
        figure.update_yaxes(title=spoken(measure), row=row, col=1)
    ticks = {"tickvals": list(range(len(doses))), "ticktext": [f"{dose:g}" for dose in doses]}
    figure.update_xaxes(range=[-0.4, len(doses) - 0.6], **ticks)
    figure.update_xaxes(title=shape.axis, row=2, col=1)
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"})
    alt = f"Against {shape.axis}, mean and 95% interval over seeds. {'. '.join(said)}."
    charts.bare(figure, key, alt, height=370)
    return pd.DataFrame(rows)
