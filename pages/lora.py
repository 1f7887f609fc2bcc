"""Gentle learning: LoRA: what a night trains, how much of the model that is, and what its dose does."""

import streamlit as st

from sleepcon import documented
from sleepcon.architecture import BYTES, MODULES, QWEN, embedded
from sleepcon.ui import charts_runs, components, dose_box, lora_picture, night_box, nights, runs, shell, state


def read_modules(text: str) -> list[str]:
    chosen = [name for name in MODULES if name in text.split(".")]
    if not chosen:
        raise ValueError("no module of that name")
    return chosen


RANK = state.whole("rank", documented.RANK, 1, 64)
ALPHA = state.whole("alpha", documented.ALPHA, 1, 128)
CHOSEN = state.Field("modules", lambda: list(documented.TARGETS), read_modules, ".".join)
MODEL = state.choice("model", ("qwen", "embedded"))
WORN = state.choice("adapter", ("with", "base"))

shell.begin(RANK, ALPHA, CHOSEN, MODEL, WORN, dose_box.DOSE)
box = night_box.look()
shapes = {"qwen": QWEN, "embedded": embedded()}

st.title("Gentle learning: LoRA", anchor=False)
st.markdown(
    "Sleep does not rewrite the brain. The weights of the base, **W**, are frozen. Beside some of them sleep trains two thin "
    "matrices, **A** and **B**, and the brain computes with **W + (alpha / rank) · B · A**. This is Low-Rank Adaptation: "
    "like a new skill beside the old ones. Take the adapter off, and the base is as it was, bit for bit."
)

st.header("The model and its adapter")
titles = {"qwen": "Qwen2.5-0.5B", "embedded": "The embedded base"}
st.segmented_control(
    "Model", list(titles), format_func=titles.get, required=True, default=state.get(MODEL), **state.widget(MODEL)
)
faces = {"with": "With the adapter", "base": "Base alone"}
st.segmented_control("Show", list(faces), format_func=faces.get, required=True, default=state.get(WORN), **state.widget(WORN))
shape, worn = shapes[state.get(MODEL)], state.get(WORN) == "with"
rank, alpha, chosen = state.get(RANK), state.get(ALPHA), state.get(CHOSEN)
left, right = st.columns(2)
left.slider("Rank", 1, 64, rank, help="Columns of B and rows of A.", **state.widget(RANK))
right.slider(
    "Alpha", 1, 128, alpha, help="The change is scaled by alpha / rank. It costs no parameters.", **state.widget(ALPHA)
)
st.multiselect("Modules", MODULES, chosen, help="Changed in every layer.", **state.widget(CHOSEN))
if not chosen:
    st.warning("No module is chosen, so there is nothing to train: choose at least one.", icon=":material/info:")

adapter, base = shape.adapter_parameters(rank, chosen), shape.parameters()
first, second, third = st.columns(3)
first.metric("Parameters of the base", f"{base:,}")
second.metric("Parameters of the adapter", f"{adapter:,}")
third.metric("The adapter's share", f"{shape.adapter_share(rank, chosen):.2%}", help="Of base and adapter together.")
st.html(lora_picture.modules(shape, chosen, rank, alpha / rank, worn))
st.caption("Each matrix to scale, but no thinner than can be seen.")
st.html(lora_picture.layers(shape, chosen, worn))
components.computed(
    f"from the configuration of {shape.name}: {adapter:,} of {base + adapter:,} parameters "
    f"({shape.adapter_share(rank, chosen):.4%}), {adapter * BYTES / 1e6:.2f} MB in float32"
)
components.documented(
    f"Rank {documented.RANK}, alpha {documented.ALPHA}, {' and '.join(documented.TARGETS)} on Qwen2.5-0.5B: "
    f"{documented.BASE_PARAMETERS:,} parameters in the base, {documented.ADAPTER_PARAMETERS:,} in the adapter (0.05%). "
    "A night here uses the same rank, alpha and modules; the controls above change the picture, not the night."
)

st.header("What a night changes")
st.markdown(
    "For each module, how large the night's change is: the norm of (alpha / rank) · B · A over the norm of W, in per cent."
)
night_box.controls(box)
night_box.progress(box)
found = runs.of(box.view)
run = next((run for run in found.values() if run.cycle.change), None)
if run is None:
    st.info("No night has been recorded or slept yet: press Sleep.", icon=":material/info:")
else:
    st.subheader(run.title)
    charts_runs.change_map(run.cycle.change, "change")
    run.label("size of the change, earlier nights included")
    nights.base(run.cycle)
    for check in run.cycle.checks:
        if check["name"] in ("learned", "kept"):
            st.markdown(f"{nights.check_mark(check)[0]} {check['sentence']}")
    run.label("hashes and wake-up check")

st.header("The dose")
st.markdown(
    "The adapter can be worn more or less: the brain computes with **W + dose · (alpha / rank) · B · A**. At dose 0 it is "
    "the base, at 1 what the night left, above 1 more than was trained. Nothing is trained again when the slider moves."
)
dose_box.draw(box.view, box.resting)

st.header("Gentle, and how far")
st.markdown(
    "The document says that changing attention weights alone adds abilities and overwrites no knowledge. That is a claim to "
    "test, and two things on this page test it: the wake-up check asks ordinary questions before and after each night, and the "
    "dose slider shows what more of the same change does."
)
