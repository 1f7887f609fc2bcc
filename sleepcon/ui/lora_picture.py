"""The picture of a model with LoRA on it, as HTML made of numbers and known names alone, so that it wraps on a small screen."""

from collections.abc import Collection

from sleepcon.architecture import MODULES, Architecture
from sleepcon.ui.palette import BLUE, GREY, ORANGE

SIDE = 84
"""Pixels of the longest side of a matrix."""
THINNEST = 5


def matrix(name: str, rows: int, columns: int, longest: int, colour: str, filled: bool) -> str:
    """One matrix, to the scale of ``longest`` in ``SIDE`` pixels (but no thinner than can be seen), with its size under it."""
    high, wide = (max(THINNEST, round(SIDE * size / longest)) for size in (rows, columns))
    paint = f"background:{colour}" if filled else "background:transparent"
    return (
        '<div style="text-align:center">'
        f'<div style="height:{SIDE}px;display:flex;align-items:center;justify-content:center">'
        f'<div style="width:{wide}px;height:{high}px;border:2px solid {colour};border-radius:2px;{paint}"></div></div>'
        f"<div><b>{name}</b></div><div>{rows:,} × {columns:,}</div></div>"
    )


def module(shape: Architecture, name: str, rank: int, scale: float, worn: bool) -> str:
    """One module: its frozen weight W, and beside it, when the adapter is ``worn``, scale times B times A."""
    rows, columns = shape.shape(name)
    longest = max(rows, columns)
    said = f"{name}: W, {rows:,} by {columns:,}, is frozen"
    parts = [matrix("W", rows, columns, longest, GREY, False)]
    if worn:
        said += f"; added to it is {scale:g} times B, {rows:,} by {rank}, times A, {rank} by {columns:,}"
        sign = '<div style="font-size:1.1rem;padding-bottom:2.6rem">{}</div>'
        parts += [sign.format(f"+ {scale:g} ·"), matrix("B", rows, rank, longest, BLUE, True), sign.format("·")]
        parts.append(matrix("A", rank, columns, longest, ORANGE, True))
    return (
        f'<div role="img" aria-label="{said}." style="font-size:.8rem"><div><code>{name}</code></div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:.5rem;align-items:center">{"".join(parts)}</div></div>'
    )


def modules(shape: Architecture, chosen: Collection[str], rank: int, scale: float, worn: bool) -> str:
    """The chosen modules, in the order of the layer, side by side where there is room."""
    drawn = "".join(module(shape, name, rank, scale, worn) for name in MODULES if name in chosen)
    return f'<div style="display:flex;flex-wrap:wrap;gap:1rem 2.5rem">{drawn}</div>'


def layers(shape: Architecture, chosen: Collection[str], worn: bool) -> str:
    """Every module of every layer, a row for each module and a column for each layer; those that learn are filled."""
    lit = [name for name in MODULES if name in chosen] if worn else []
    said = f"{len(MODULES)} modules in each of {shape.layers} layers. "
    said += f"In every layer {', '.join(lit)} can learn, all others are frozen." if lit else "All are frozen."
    frozen = f'<div style="height:14px;border:1px solid {GREY};border-radius:2px"></div>'
    learns = f'<div style="height:14px;border:1px solid {BLUE};border-radius:2px;background:{BLUE}"></div>'
    rows = "".join(
        f"<div><code>{name}</code></div>{(learns if name in lit else frozen) * shape.layers}" for name in MODULES
    )  # fmt: skip
    grid = f"grid-template-columns:5.2rem repeat({shape.layers},minmax(0,1fr))"
    box = '<span style="display:inline-block;width:14px;height:14px;border-radius:2px;vertical-align:-2px;{}"></span>'
    legend = (
        f"{box.format(f'border:1px solid {BLUE};background:{BLUE}')} W + BA: can learn &nbsp; "
        f"{box.format(f'border:1px solid {GREY}')} W alone: frozen"
    )
    return (
        f'<div role="img" aria-label="{said}" style="font-size:.8rem">'
        f'<div style="display:grid;{grid};gap:3px;align-items:center">{rows}'
        f'<div></div><div style="grid-column:2 / -1;display:flex;justify-content:space-between">'
        f"<span>layer 1</span><span>layer {shape.layers}</span></div></div>"
        f'<div style="margin-top:.4rem">{legend}</div></div>'
    )
