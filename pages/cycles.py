"""Sleep cycles: the document's three, and the ledger of one's own nights, with every loss and every reply."""

import streamlit as st

from sleepcon import documented
from sleepcon.ui import (
    charts_runs,
    components,
    control_box,
    ledger_files,
    night_box,
    night_detail,
    palette,
    recall_box,
    runs,
    shell,
    state,
)

CHOSEN = state.choice("documented", ("1", "2", "3"))
RUN = state.Field("run", lambda: runs.NEWEST, runs.read_name)

shell.begin(CHOSEN, RUN, night_detail.AGAINST, night_detail.CURVE)
box = night_box.look()
found = runs.of(box.view)


def the_documents() -> None:
    """Three cycles, of which one was run."""
    cycles = documented.CYCLES
    first, last = cycles[0].loss_before, cycles[-1].loss_after
    was_run = [cycle for cycle in cycles if cycle.run]
    left, right = st.columns(2)
    left.metric("Total improvement", f"{(first - last) / first:.1%}", help="Of the first loss.")
    right.metric("Total experiences", sum(cycle.experiences for cycle in cycles))
    charts_runs.documented_cycles()
    components.documented(
        f"Losses of the document's {len(cycles)} cycles; their unit is not stated. Only cycle "
        f"{' and '.join(str(cycle.cycle) for cycle in was_run)} was ever run: a fall of "
        f"{(first - was_run[-1].loss_after) / first:.1%}. The others were drawn. The axis does not begin at 0, so the fall "
        "looks larger than it is."
    )
    st.segmented_control(
        "Cycle",
        ["1", "2", "3"],
        format_func="Cycle {}".format,
        required=True,
        default=state.get(CHOSEN),
        **state.widget(CHOSEN),
    )
    cycle = cycles[int(state.get(CHOSEN)) - 1]
    with st.container(border=True):
        st.subheader(f"Cycle {cycle.cycle} details")
        first, second, third = st.columns(3)
        first.metric("Experiences", cycle.experiences)
        second.metric("Average salience", components.percent(cycle.average_salience))
        third.metric("Loss change", f"{cycle.loss_before:.3f} → {cycle.loss_after:.3f}")
        st.markdown(f"{cycle.note} ({cycle.time})")
        if cycle.run:
            components.documented("This cycle was run, as a validation.")
        else:
            components.illustrative("This cycle was never run; the document drew it.")


def one_night() -> None:
    """The night that was chosen, whole, and beside another."""
    st.header("One night, looked into")
    if not box.view.nights:
        st.markdown("You have had no night yet. This is one that was recorded; yours takes its place.")
    options = {runs.NEWEST: "The newest", **{name: run.title for name, run in found.items()}}
    if state.get(RUN) not in options:
        state.put(RUN, runs.NEWEST)
    if box.view.nights:
        st.selectbox("Night", list(options), list(options).index(state.get(RUN)), format_func=options.get, **state.widget(RUN))
    name = next(iter(found)) if state.get(RUN) == runs.NEWEST else state.get(RUN)
    run = found[name]
    icon, word = palette.KEPT if run.cycle.kept else palette.ROLLED_BACK
    st.subheader(run.title)
    left, right = st.columns(2)
    left.metric("Loss before", f"{run.cycle.loss_before:.3f}", help="Nats per token, weighted by salience.")
    right.metric(
        "Loss after",
        f"{run.cycle.loss_after:.3f}",
        f"{run.cycle.loss_after - run.cycle.loss_before:+.3f}",
        delta_color="inverse",
    )
    st.markdown(f"{icon} The night was **{word}**. {' '.join(run.cycle.reasons)}")
    control_box.told(run.cycle)
    recall_box.collapse(run)
    run.label()
    st.subheader("The loss")
    night_detail.losses(run)
    st.subheader("Every reply, before and after")
    night_detail.replies(run)
    st.subheader("Two nights compared")
    night_detail.compare(found, name)


st.title("Sleep cycles", anchor=False)
st.markdown(
    "A sleep cycle is one night: what it took in, and what its loss was before and after. First the document's, then yours."
)
st.header("The document's three cycles")
the_documents()

st.header("Your own nights")
night_box.controls(box)
night_box.progress(box)
if box.view.nights:
    night_detail.ledger([run for name, run in found.items() if name != runs.RECORDED])
    first, second = st.columns(2)
    first.download_button(
        "Download as CSV", ledger_files.as_csv(box.view.nights), "nights.csv", "text/csv",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    second.download_button(
        "Download as JSON", ledger_files.as_json(box.view.nights), "nights.json", "application/json",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    components.measured(box.view.label, "a row for each night; the files hold every reply")

if found:
    st.header("What is still there after each night")
    st.markdown(
        "A row is a taught experience, a column a night. The number is how near the reply comes to the taught one, 0 to 1 "
        "(token F1); a tick says that it came back, a cross that it did not, a frame which night took it first."
    )
    recall_box.draw(box, found.get(runs.RECORDED))
    one_night()
else:
    st.info("No night has been recorded or slept yet: press Sleep.", icon=":material/info:")
