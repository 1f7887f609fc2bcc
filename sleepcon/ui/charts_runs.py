"""Charts of nights: how much each module changed, the document's three cycles, and losses by step, epoch and experience.

Experiences are numbered in charts: what people typed never goes into a chart's text.
"""

import re
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from sleepcon.architecture import MODULES
from sleepcon.documented import CYCLES, DocumentedCycle
from sleepcon.ledger import Cycle
from sleepcon.ui import charts
from sleepcon.ui.palette import BLUE, GREEN, GREY, ORANGE, PINK

NATS = "loss (nats per token)"
STYLES = ((BLUE, "solid", "circle"), (ORANGE, "dash", "square"), (GREEN, "dot", "diamond"), (PINK, "dashdot", "cross"))
"""Colour, dash and marker of the lines of a chart; from the fifth on, a colour comes again with another dash."""
MOST_LINES = 12
"""Lines that one chart draws; its table holds the rest too."""
LOW_TO_HIGH = [[0.0, "#f3f6fa"], [0.5, "#6f9fcb"], [1.0, "#0f3a63"]]
DARK_FROM = 0.66
"""Share of the scale from which white is easier to read on it than black."""
FEW_LAYERS = 8
"""So many layers leave room for a number in each cell."""


def by_layer(change: dict[str, float]) -> tuple[list[str], list[int], list[list[float | None]]]:
    """(modules, layers, values by module and layer) of a night's ``change``; a name without a layer is left out."""
    found = {}
    for name, value in change.items():
        match = re.search(r"layers\.(\d+)\.(?:.*\.)?(\w+)$", name)
        if match:
            found[match[2], int(match[1])] = value
    names = {name for name, _ in found}
    modules = [name for name in MODULES if name in names] + sorted(names - set(MODULES))
    layers = sorted({layer for _, layer in found})
    return modules, layers, [[found.get((name, layer)) for layer in layers] for name in modules]


def change_map(change: dict[str, float], key: str) -> None:
    """Size of the change of each module in each layer, in per cent of its weight's norm."""
    modules, layers, values = by_layer(change)
    shown = [[None if value is None else 100 * value for value in row] for row in values]
    known = [(value, name, layer) for name, row in zip(modules, shown, strict=True)
             for layer, value in zip(layers, row, strict=True) if value is not None]  # fmt: skip
    most = max(value for value, _, _ in known) or 1.0
    figure = go.Figure(
        go.Heatmap(
            x=[str(layer + 1) for layer in layers], y=modules, z=shown, zmin=0, zmax=most, colorscale=LOW_TO_HIGH,
            xgap=2, ygap=2,
            hovertemplate="layer %{x}, %{y}: %{z:.2f}%<extra></extra>", colorbar={"title": "%", "thickness": 12},
        )
    )  # fmt: skip
    figure.update_layout(xaxis={"title": "layer", "type": "category"}, yaxis={"autorange": "reversed"})
    for value, name, layer in known if len(layers) <= FEW_LAYERS else ():
        colour = "#ffffff" if value / most > DARK_FROM else "#0b101a"  # on the cell's own colour, so the same in both themes
        # By place: an annotation takes "1" for the second category, not for the one of that name.
        figure.add_annotation(x=layers.index(layer), y=name, text=f"{value:.1f}", showarrow=False, font={"color": colour})
    largest, smallest = max(known), min(known)
    alt = (
        f"Change of {len(known)} modules, in per cent of the norm of their weights: most in {largest[1]} of layer "
        f"{largest[2] + 1} ({largest[0]:.2f}%), least in {smallest[1]} of layer {smallest[2] + 1} ({smallest[0]:.2f}%)."
    )
    table = pd.DataFrame(values, index=modules, columns=[str(layer + 1) for layer in layers]).T.map(
        lambda value: "" if pd.isna(value) else f"{value:.3%}"
    )
    charts.finished(figure, key, alt, table.reset_index(names="layer"), height=120 + 44 * len(modules))


def documented_cycles(cycles: Sequence[DocumentedCycle] = CYCLES) -> None:
    """The document's loss before the first cycle and after each; the part that was never run is dashed and hollow."""
    places = ["before", *(str(cycle.cycle) for cycle in cycles)]
    losses = [cycles[0].loss_before, *(cycle.loss_after for cycle in cycles)]
    run = 1 + sum(cycle.run for cycle in cycles)
    figure = go.Figure()
    figure.add_scatter(
        x=places[:run], y=losses[:run], name="run", mode="lines+markers",
        line={"color": BLUE, "width": 3}, marker={"size": 11},
    )  # fmt: skip
    figure.add_scatter(
        x=places[run - 1 :], y=losses[run - 1 :], name="drawn, never run", mode="lines+markers",
        line={"color": GREY, "width": 2, "dash": "dash"}, marker={"size": 10, "symbol": "circle-open"},
    )  # fmt: skip
    figure.update_layout(
        yaxis_title="loss", xaxis={"title": "after cycle", "type": "category", "categoryarray": places},
        legend={"orientation": "h", "y": -0.35},
    )  # fmt: skip
    figure.update_traces(hovertemplate="%{x}: %{y:.3f}<extra></extra>")
    said = f"{losses[0]:.3f} before, " + ", ".join(f"{cycle.loss_after:.3f} after cycle {cycle.cycle}" for cycle in cycles)
    was_run = ["", *("yes" if cycle.run else "no" for cycle in cycles)]
    alt, table = (
        f"Loss of the document's cycles: {said}.",
        pd.DataFrame({"after cycle": places, "loss": losses, "was run": was_run}),
    )
    charts.finished(figure, "documented-cycles", alt, table, height=300)


def epoch_means(cycle: Cycle) -> list[float]:
    """Mean loss of the steps of each epoch; empty when the steps do not divide into the epochs."""
    size, rest = divmod(len(cycle.curve), max(1, cycle.epochs))
    if not size or rest:
        return []
    return [sum(cycle.curve[start : start + size]) / size for start in range(0, len(cycle.curve), size)]


def loss_lines(lines: Sequence[tuple[str, Sequence[float], Sequence[float]]], across: str, key: str) -> None:
    """Losses as lines: (name, places, losses) each, told apart by colour, dash and name."""
    figure = go.Figure()
    for number, (name, places, losses) in enumerate(lines[:MOST_LINES]):
        colour, (_, dash, symbol) = STYLES[number % 4][0], STYLES[(number + number // 4) % 4]
        few = len(places) <= 30
        figure.add_scatter(
            x=list(places), y=list(losses), name=name, mode="lines+markers" if few else "lines",
            line={"color": colour, "dash": dash, "width": 2.5}, marker={"symbol": symbol, "size": 7},
            hovertemplate=f"{name}, {across} %{{x}}: %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        xaxis_title=across, yaxis_title=NATS, yaxis_rangemode="tozero", showlegend=len(lines) > 1,
        legend={"orientation": "h", "y": -0.35},
    )  # fmt: skip
    alt = f"Loss by {across}. " + " ".join(f"{name}: from {losses[0]:.3f} to {losses[-1]:.3f}." for name, _, losses in lines)
    columns: dict[float, dict] = {}
    for name, places, losses in lines:
        for place, loss in zip(places, losses, strict=True):
            columns.setdefault(place, {across: place})[name] = loss
    charts.finished(figure, key, alt, pd.DataFrame([columns[place] for place in sorted(columns)]), height=300)


def before_after(names: Sequence[str], before: Sequence[float], after: Sequence[float], key: str) -> None:
    """The loss of each taught reply before the night and after it, as two marks on a line."""
    figure = go.Figure()
    for name, low, high in zip(names, after, before, strict=True):
        figure.add_scatter(
            x=[high, low], y=[name, name], mode="lines", line={"color": GREY, "width": 2}, showlegend=False, hoverinfo="skip"
        )
    for said, values, colour, symbol in (("before", before, GREY, "circle-open"), ("after", after, BLUE, "diamond")):
        figure.add_scatter(
            x=list(values), y=list(names), name=said, mode="markers", marker={"color": colour, "symbol": symbol, "size": 12},
            hovertemplate=f"experience %{{y}}, {said}: %{{x:.3f}}<extra></extra>", cliponaxis=False,
        )  # fmt: skip
    figure.update_layout(
        xaxis_title=NATS, xaxis_rangemode="tozero", yaxis={"type": "category", "autorange": "reversed", "title": "experience"},
        legend={"orientation": "h", "y": 1.2},
    )  # fmt: skip
    rows = zip(names, before, after, strict=True)
    alt = "Loss of each taught reply before and after: " + " ".join(f"{name}: {old:.3f}, {new:.3f}." for name, old, new in rows)
    table = pd.DataFrame({"experience": list(names), "before": list(before), "after": list(after)})
    charts.finished(figure, key, alt, table, height=140 + 36 * len(names))
