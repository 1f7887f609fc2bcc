"""A study on the page: the shipped result, its reading and limits, and its small version, run on this machine."""

import pandas as pd
import streamlit as st

from sleepcon import studies
from sleepcon.studies.protocol import Study
from sleepcon.ui import arm_names, charts_doses, charts_studies, run_box, study_results

SHIPPED, HERE = "shipped", "small, this machine"


def draw(study: Study, limits: str, here: dict | None) -> None:
    """What is known: the shipped result (``None`` is said), beside it ``here``, the small version's result, if there is one."""
    shipped = studies.load_summary(study.name)
    results = [(name, found) for name, found in ((SHIPPED, shipped), (HERE, here)) if found]
    if shipped:
        st.badge("measured", icon=":material/science:", color="blue")
    else:
        st.badge("not run yet at its planned seeds" if here else "not run yet", icon=":material/hourglass_empty:", color="gray")
    if not results:
        return
    figure = study_results.main_figure(results[0][1])
    st.markdown(f"**What the chart shows.** {figure.replace('_', ' ').capitalize()}: {study.figures.get(figure, figure)}.")
    charts_studies.arms(results, f"study-{study.name}")
    dose_response(study, results[0][1])
    for name, found in results:
        label(found, name == SHIPPED)
    for name, found in results:
        told(study, name, found)
    st.markdown(f"**Limits.** {limits}")


def dose_response(study: Study, found: dict) -> None:
    """Where the arms are doses: what comes of more and of less."""
    drawn = charts_doses.lines(found)
    if not drawn:
        return
    shape = charts_doses.RESPONSES[study.name]
    figures = " ".join(f"{study_results.spoken(one).capitalize()}: {study.figures[one]}." for one in shape.figures)
    st.markdown(
        f"**How it depends on the dose.** {figures} {shape.words} Each point is a mean, each bar its 95% interval over seeds. "
        "The doses stand equally far apart."
    )
    charts_doses.response(found, drawn, f"response-{study.name}")


def label(found: dict, shipped: bool) -> None:
    """Where the numbers come from."""
    seeds = ", ".join(map(str, found["seeds"]))
    of = f"base {found['base_sha256'][:12]}, seeds {seeds}, program {found['program'][:12]}"
    if shipped:
        st.caption(f":material/history: **Measured, recorded** on {found['made']}, {of}, version {found['version']}.")
    else:
        st.caption(f":material/straighten: **Measured** on this machine on {found['made']}, small version, {of}.")


def told(study: Study, name: str, found: dict) -> None:
    """A result in words, and every figure of it folded away."""
    overall, sentences = study_results.reading(found)
    start = "What it says" if name == SHIPPED else "What the small version says"
    st.markdown(f"**{start}.** {overall}")
    st.markdown("\n".join(f"- {sentence}" for sentence in sentences + study_results.caveats(found)))
    with st.expander(f"Every figure, {name}"):
        st.dataframe(pd.DataFrame(study_results.numbers(found)), hide_index=True, key=f"figures-{study.name}-{name}")
        st.markdown("\n".join(f"- {key.replace('_', ' ')}: {words}" for key, words in found["study"]["figures"].items()))


def stated(study: Study) -> None:
    """What the study states in advance, beside its hypothesis."""
    with st.expander("What it takes"):
        called = arm_names.titles(study.describe())
        of = "\n".join(f"- {called[arm.name]}: {arm.sentence}" for arm in study.arms)
        st.markdown(f"**Arms.** The others are compared with **{called[study.control]}**, seed by seed.\n\n{of}")
        st.markdown(f"**Probes.** {study.probes}")
        st.markdown(f"**When it stops.** {study.stop_rule} {len(study.seeds)} seeds.")


def run_here(study: Study) -> dict | None:
    """The button of the small version, its progress, and its newest result."""
    called = arm_names.titles(study.describe())
    arms = " and ".join(f"“{called[name]}”" for name in study.small)
    st.caption(
        f"The small version: the arms {arms}, one seed, on brains of its own. One run after the other; Cancel waits for the "
        "end of the run that is under way."
    )

    def said(message: str) -> str:
        """A run that has ended, by its arm's title; the job says ``study: arm, seed 0, 3 s.``"""
        arm, _, rest = message.partition(": ")[2].partition(", ")
        return f"{called[arm]}: {rest}" if arm in called else message

    return run_box.box(
        "study", {"name": study.name}, "Run the small version", "Running the first of the arms.", study.name, said
    )
