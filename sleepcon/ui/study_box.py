"""A study on the page: its result in a sentence and a chart, all the rest of it folded away, and its small version."""

import pandas as pd
import streamlit as st

from sleepcon import studies
from sleepcon.studies.protocol import Study
from sleepcon.ui import arm_names, charts_doses, charts_studies, run_box, shell, study_results
from sleepcon.ui.questions import Protocol

SHIPPED, HERE = "shipped", "small, this machine"
Results = list[tuple[str, dict]]
"""(``SHIPPED`` or ``HERE``, a ``studies.results.summary``)."""


def draw(protocol: Protocol, study: Study, here: dict | None) -> None:
    """What is known: the shipped result (``None`` is said) and ``here``, the small version's result, if there is one."""
    shipped = studies.load_summary(study.name)
    results = [(name, found) for name, found in ((SHIPPED, shipped), (HERE, here)) if found]
    if not shipped:
        st.badge("not run yet at its planned seeds" if here else "not run yet", icon=":material/hourglass_empty:", color="gray")
    for name, found in results:
        told(name, found)
    tables = charts(study, results) if results else []
    for name, found in results:
        label(found, name == SHIPPED)
    if results:
        st.markdown(f"**Limits.** {protocol.limits}")
    with st.expander("Arms, tables, and what to try" if protocol.tries else "Arms and tables"):
        details(study, results, tables)
        for one in protocol.tries:
            with st.container(gap=None):
                st.markdown(f"**To try now.** {one.what}")
                shell.link(one.page, one.label)


def told(name: str, found: dict) -> None:
    """A result in words: all arms of a shipped one in a sentence; the few of a small one, and what it lacks, besides."""
    overall, sentences = study_results.reading(found)
    start = "Result" if name == SHIPPED else "Result of the small version"
    st.markdown(f"**{start}.** {study_results.meaning(found, study_results.main_figure(found))}. {overall}")
    more = study_results.caveats(found) if name == SHIPPED else sentences + study_results.caveats(found)
    if more:
        st.markdown("\n".join(f"- {sentence}" for sentence in more))


def charts(study: Study, results: Results) -> list[pd.DataFrame]:
    """Where the arms are doses, what comes of more and of less; else, and beside a small version, the arms. Their tables."""
    found, tables = results[0][1], []
    drawn = charts_doses.lines(found)
    if drawn:
        shape = charts_doses.RESPONSES[study.name]
        second = study_results.meaning(found, shape.figures[1])
        st.markdown(f"**Below it in the chart.** {second}. {shape.words} The doses stand equally far apart.")
        tables.append(charts_doses.response(found, drawn, f"response-{study.name}"))
    if not drawn or len(results) > 1:
        tables.append(charts_studies.arms(results, f"study-{study.name}"))
    return tables


def label(found: dict, shipped: bool) -> None:
    """Where the numbers come from."""
    seeds = ", ".join(map(str, found["seeds"]))
    of = f"base {found['base_sha256'][:12]}, seeds {seeds}, program {found['program'][:12]}"
    if shipped:
        st.caption(f":material/history: **Measured, recorded** on {found['made']}, {of}, version {found['version']}.")
    else:
        st.caption(f":material/straighten: **Measured** on this machine on {found['made']}, small version, {of}.")


def details(study: Study, results: Results, tables: list[pd.DataFrame]) -> None:
    """What a first reader can do without: a sentence and all figures of each arm, and what the study stated in advance."""
    called = arm_names.titles(study.describe())
    of = "\n".join(f"- {called[arm.name]}: {arm.sentence}" for arm in study.arms)
    st.markdown(f"**Arms.** The others are compared with **{called[study.control]}**, seed by seed.\n\n{of}")
    for name, found in results:
        if name == SHIPPED:
            st.markdown("**Arm by arm.**\n\n" + "\n".join(f"- {sentence}" for sentence in study_results.reading(found)[1]))
    for place, table in enumerate(tables):
        st.markdown("**The chart's numbers as a table.**")
        st.dataframe(table, hide_index=True, key=f"chart-{study.name}-{place}")
    for name, found in results:
        st.markdown(f"**Every figure, {name}.**")
        st.dataframe(pd.DataFrame(study_results.numbers(found)), hide_index=True, key=f"figures-{study.name}-{name}")
        st.markdown("\n".join(f"- {study_results.meaning(found, figure)}" for figure in found["study"]["figures"]))
    st.markdown(f"**Probes.** {study.probes}")
    st.markdown(f"**When it stops.** {study.stop_rule} {len(study.seeds)} seeds.")
    small = " and ".join(f"“{called[name]}”" for name in study.small)
    st.markdown(f"**The small version.** The arms {small}, one seed, on brains of its own.")


def run_here(study: Study) -> dict | None:
    """The button of the small version, its progress, and its newest result."""
    called = arm_names.titles(study.describe())

    def said(message: str) -> str:
        """A run that has ended, by its arm's title; the job says ``study: arm, seed 0, 3 s.``"""
        arm, _, rest = message.partition(": ")[2].partition(", ")
        return f"{called[arm]}: {rest}" if arm in called else message

    return run_box.box(
        "study", {"name": study.name}, "Run the small version", "Running the first of the arms.", study.name, said
    )
