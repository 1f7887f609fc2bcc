"""Charts of the frozen problem: the document's bars, the published sessions, and ours, all on an axis from 0 to 100%."""

from collections.abc import Iterable, Sequence

import pandas as pd
import plotly.graph_objects as go

from sleepcon.documented import PublishedSession
from sleepcon.ui import charts, frozen_results
from sleepcon.ui.palette import BLUE, GREY, ORANGE

STYLES = {"none": (GREY, "dash", "circle-open"), "sham": (ORANGE, "dot", "square"), "sleep": (BLUE, "solid", "diamond")}
AXIS = {"range": [0, 1.04], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}
ROOM = {"domain": [0.42, 1]}
"""What is below is for the legend: the published and the measured chart are of one height, so that they compare by eye."""
APART = 0.16
"""What an arm's points stand beside the next one's, in sessions, so that their intervals do not cover each other."""
SESSIONS = {
    "xaxis": {"title": "session", "type": "category"}, "showlegend": True,
    "legend": {"orientation": "h", "x": 0, "y": 0, "yanchor": "bottom"},
}  # fmt: skip


def bars(rows: Sequence[tuple[str, float | None]], key: str, what: str) -> None:
    """The document's bars: hatched, for nobody measured them. ``None`` stands for a sleep cycle between two sessions."""
    names, values = [name for name, _ in rows], [value for _, value in rows]
    figure = go.Figure(
        go.Bar(
            x=names, y=values, text=["" if value is None else f"{value:.0%}" for value in values], textposition="outside",
            marker={"color": "rgba(127,133,144,.25)", "line": {"color": GREY, "width": 2},
                    "pattern": {"shape": "/", "fgcolor": GREY, "size": 7}},
            hovertemplate="%{x}: %{y:.0%}<extra></extra>",
        )
    )  # fmt: skip
    two_lines = [name.replace(" ", "<br>") for name in names]
    figure.update_layout(
        yaxis=AXIS, showlegend=False,
        xaxis={"type": "category", "tickangle": 0, "tickfont": {"size": 11}, "tickvals": names, "ticktext": two_lines},
    )  # fmt: skip
    said = ", ".join(f"{name} {'sleep' if value is None else format(value, '.0%')}" for name, value in rows)
    table = pd.DataFrame({"when": names, "level": ["sleep" if value is None else f"{value:.0%}" for value in values]})
    charts.finished(figure, key, f"The document's bars {what}, drawn and not measured: {said}.", table, height=280)


def published(sessions: Sequence[PublishedSession]) -> None:
    """The identity score of the published record; the session after its sleep cycle has a mark of its own."""
    names, scores = [f"{row.session}" for row in sessions], [row.identity for row in sessions]
    figure = go.Figure()
    figure.add_scatter(
        x=names, y=scores, mode="lines+markers", name="identity score", line={"color": GREY, "width": 2.5},
        marker={"symbol": ["circle"] * (len(names) - 1) + ["star"], "size": [9] * (len(names) - 1) + [16]},
        hovertemplate="session %{x}: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(SESSIONS | {"yaxis": AXIS | ROOM | {"title": "identity score"}})
    said = ", ".join(f"session {row.session} {row.identity:.3f}" for row in sessions)
    table = pd.DataFrame(
        {"session": names, "identity score": scores, "partnership words (%)": [row.partnership_percent for row in sessions]}
    )
    charts.finished(figure, "published", f"Published identity scores: {said}, the last after a sleep cycle.", table, height=340)


def measured(result: dict, key: str) -> None:
    """Share of probes answered as taught, a line for each arm; several seeds have a mean with its interval and thin lines."""
    names, several = [str(number) for number in result["numbers"]], len(result["seeds"]) > 1
    intervals = result.get("intervals") or {}
    figure, rows, said = go.Figure(), [], []
    for place, (arm, title) in enumerate(frozen_results.ARMS.items()):
        colour, dash, symbol = STYLES[arm]
        at = [number + APART * (place - 1) for number in range(len(names))]
        for seed, values in frozen_results.series(result, arm).items():
            rows.append({"arm": title, "seed": str(seed)} | by_session(names, map(frozen_results.percent, values)))
            if several:
                figure.add_scatter(
                    x=at, y=values, mode="lines", line={"color": colour, "dash": dash, "width": 1}, opacity=0.45,
                    showlegend=False, customdata=names,
                    hovertemplate=f"{title}, seed {seed}, session %{{customdata}}: %{{y:.0%}}<extra></extra>",
                )  # fmt: skip
        means, ends = frozen_results.means(result, arm), intervals.get(arm)
        told = [frozen_results.with_interval(one) for one in ends] if ends else [frozen_results.percent(mean) for mean in means]
        if several:
            rows.append({"arm": title, "seed": "mean [95% interval]" if ends else "mean"} | by_session(names, told))
        said.append(f"{title} {', '.join(told)}")
        figure.add_scatter(
            x=at, y=means, name=title + (", mean" if several else ""), mode="lines+markers", cliponaxis=False,
            line={"color": colour, "dash": dash, "width": 2.5}, marker={"symbol": symbol, "size": 8},
            error_y=charts.error_bars(ends, colour) if ends else None, customdata=list(zip(names, told, strict=True)),
            hovertemplate=f"{title}, session %{{customdata[0]}}: %{{customdata[1]}}<extra></extra>",
        )  # fmt: skip
    axis = {"title": "session", "tickvals": list(range(len(names))), "ticktext": names, "range": [-0.4, len(names) - 0.6]}
    figure.update_layout(SESSIONS | {"xaxis": axis, "yaxis": AXIS | ROOM | {"title": "answered as taught"}})
    of = ", mean over seeds with its 95% interval" if intervals else ", mean over seeds" if several else ""
    alt = f"Probes answered as taught in sessions {', '.join(names)}{of}. {'; '.join(said)}."
    charts.finished(figure, key, alt, pd.DataFrame(rows), height=340)


def by_session(names: Sequence[str], values: Iterable[str]) -> dict[str, str]:
    """The columns of a table's row."""
    return {f"session {name}": value for name, value in zip(names, values, strict=True)}
