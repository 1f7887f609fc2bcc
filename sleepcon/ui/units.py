"""Experiences as units of the filter: a strip that shows all of them against the threshold, and a card for each.

Both are redrawn in place when the threshold moves: their order depends on the salience alone, so nothing jumps.
"""

import streamlit as st

from sleepcon.ui import brains, components, filtering, palette
from sleepcon.ui.brains import Held, View
from sleepcon.ui.filtering import FACTORS, Filter

APART = 0.09
"""Salience that two units of one row of the strip differ by at least: a unit's width where the strip is 260 pixels wide."""
ROW = 26
"""Pixels from one row of the strip to the next."""


def rows_of(saliences: list[float]) -> list[int]:
    """The row of each unit of the strip, so that no two overlap: the first row, from the top, where there is room."""
    rows: list[int] = []
    for place, salience in enumerate(saliences):
        near = {rows[other] for other in range(place) if abs(saliences[other] - salience) < APART}
        rows.append(next(row for row in range(place + 1) if row not in near))
    return rows


def strip(view: View, chosen: Filter) -> None:
    """Every measured unit on a line from 0 to 1, numbered as the cards are, with the threshold across it.

    Filled and square: consolidate. Hollow and round: skip. Numbers alone are drawn, so nothing of a user's is in it.
    """
    units = [(number, of) for number, held in enumerate(chosen.ordered(view), 1) if (of := chosen.salience(held)) is not None]
    rows = rows_of([salience for _, salience in units])
    height = ROW * (max(rows, default=0) + 1)
    drawn = []
    for (number, salience), row in zip(units, rows, strict=True):
        shape, edge = "border-radius:50%", palette.GREY
        if salience >= chosen.threshold:
            shape, edge = f"background:{palette.DEEP_BLUE};color:#fff;border-radius:4px", palette.BLUE
        drawn.append(
            f'<span style="position:absolute;left:calc({100 * salience:.1f}% - 11px);top:{row * ROW}px;width:22px;height:22px;'
            f"box-sizing:border-box;border:2px solid {edge};font-size:12px;line-height:18px;text-align:center;{shape}"
            f'">{number}</span>'
        )
    passing = len(chosen.passing(view))
    mark = components.percent(chosen.threshold)
    alt = f"{len(units)} experiences on a line of salience from 0% to 100%; {passing} reach the threshold of {mark}."
    st.html(
        f'<div role="img" aria-label="{alt}" style="padding:0 12px">'
        f'<div style="position:relative;height:{height}px">{"".join(drawn)}'
        f'<div style="position:absolute;left:calc({100 * chosen.threshold:.0f}% - 1px);top:-4px;width:2px;'
        f'height:{height + 12}px;background:currentColor"></div></div>'
        f'<div style="position:relative;border-top:1px solid {palette.GREY};margin-top:4px;height:20px;font-size:12px">'
        '<span style="position:absolute;left:-8px">0%</span>'
        '<span style="position:absolute;left:calc(50% - 12px)">50%</span>'
        '<span style="position:absolute;right:-12px">100%</span></div></div>'
    )


def cards(view: View, chosen: Filter, guessed: frozenset[str] | None) -> None:
    """One card for each experience, the most salient first. ``guessed``: ids that the visitor thought would pass."""
    for number, held in enumerate(chosen.ordered(view), 1):
        card(number, held, chosen, guessed)


def card(number: int, held: Held, chosen: Filter, guessed: frozenset[str] | None) -> None:
    """What was asked and answered, its salience against the threshold, what becomes of it, and why."""
    experience, salience = held.experience, chosen.salience(held)
    icon, verdict = palette.CONSOLIDATE if chosen.passes(held) else palette.SKIP
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            amount = "not measured yet" if salience is None else f"salience {components.percent(salience)}"
            source = "" if salience is None else f" ({chosen.source(held)})"
            st.markdown(f"{number} · **{whose(held)}** · {amount}{source}", width="content")
            if salience is not None:
                st.badge(verdict, icon=icon, color="blue" if chosen.passes(held) else "gray")
        if salience is not None:
            components.bar(salience, chosen.threshold)
        components.question(experience.prompt, f"held-{experience.id}")
        components.words(experience.response)
        if guessed is not None and brains.is_documents(experience.id) and salience is not None:
            right = (experience.id in guessed) == chosen.passes(held)
            mark, word = (":material/check:", "as you guessed") if right else (":material/close:", "not as you guessed")
            st.caption(f"{mark} {verdict.capitalize()}, {word}.")
        if held.standing.cycle is not None:
            st.caption(f":material/bedtime: In the weights since night {held.standing.cycle}.")
        if chosen.source(held) == "measured":
            with st.expander("Why this salience"):
                evidence(held.standing.scores or {}, chosen.weights)


def whose(held: Held) -> str:
    """Where an experience comes from, in two words."""
    return "Your own" if held.experience.session is None else f"Session {held.experience.session}"


def evidence(factors: dict[str, dict], weights: tuple[float, ...]) -> None:
    """The five measured factors of an experience: value, weight, and the sentence that says where the value comes from."""
    for name, weight in zip(FACTORS, weights, strict=True):
        score = factors[name]
        estimate = ", an estimate" if score["estimated"] else ""
        with st.container(gap=None):
            st.markdown(f"**{name.capitalize()} {components.percent(score['value'])}**{estimate} · weight {weight:g}")
            components.words(score["evidence"])
    st.caption(f"Weighted mean: {components.percent(filtering.total(factors, weights))}.")
