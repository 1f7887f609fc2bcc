"""Technical specifications: the document's configuration, sizes and loss, beside what this installation measures."""

import pandas as pd
import streamlit as st

from sleepcon import documented
from sleepcon.recorded import recording
from sleepcon.ui import brains, charts_compare, components, run_box, shell, specifications, state

shell.begin(*specifications.LOSSES, *specifications.SALIENCES)
view = brains.look(state.get(state.BRAIN_NAME))
played = recording("specifications")
recorded = played.result if played else {"facts": None, "cycle": None}


def table(rows: list, columns: tuple[str, ...]) -> None:
    st.table(pd.DataFrame(rows, columns=list(columns)).set_index(columns[0]))


def label(own: bool, what: str) -> None:
    """Say whether figures are the visitor's or the recording's."""
    if own:
        components.measured(view.label, what)
    elif played:
        components.recorded(played, what)


BESIDE = ("what", "document", "here")
st.title("Technical specifications", anchor=False)
st.markdown(
    "What the document states stands on the left; what this installation is made of stands on the right. The right side is "
    "read from the objects that the program has loaded and from the files that it wrote."
)
measured = run_box.box("specifications", {}, "Measure this installation", "The base is loaded and measured.")
facts, own_facts = measured or recorded["facts"], measured is not None
night = view.nights[-1].as_dict() if view.nights else recorded["cycle"]

st.header("LoRA configuration")
st.code(specifications.documents_configuration(), language="python", wrap_lines=True)
components.documented("The configuration of the source document.")
if facts:
    table(specifications.lora_rows(facts["lora"]), BESIDE)
    label(own_facts, f"configuration of the adapter that PEFT put on {facts['lora']['modules']} modules")

st.header("Model stats")
if facts:
    table(specifications.size_rows(facts), BESIDE)
    label(own_facts, "parameters counted in the loaded model, bytes of the files of one night's adapter")
    if own_facts and facts["worn"]:
        st.markdown(specifications.worn_sentence(facts["worn"]))
else:
    st.info("Nothing is measured yet, and no recorded run is at hand: press the button above.", icon=":material/info:")
if night:
    table(specifications.night_rows(night), BESIDE)
    label(bool(view.nights), f"night {night['cycle']} of the ledger, seed {night['seed']}, {night['epochs']} passes")
components.documented(
    f"The document's {documented.SECONDS_PER_CYCLE} seconds are of a cycle of {documented.CYCLES[0].experiences} experiences "
    f"in {documented.EPOCHS} passes on the processor of a Jetson AGX. Its {documented.MEGABYTES_PER_CHECKPOINT} MB hold the "
    f"optimizer's state and records too; the adapter alone had {documented.ADAPTER_MEGABYTES} MB."
)

st.header("Salience-weighted loss")
st.markdown("The document takes one experience a step and multiplies its loss by its salience:")
st.code(documented.WEIGHTED_LOSS, language="python", wrap_lines=True)
components.documented("The loss of the source document.")
st.markdown("The default recipe here takes a batch and makes salience a weight in a mean:")
st.code(specifications.OUR_LOSS, language="python", wrap_lines=True)

st.subheader("Try it")
columns = st.columns(2)
for place, column in enumerate(columns):
    which = ("First", "Second")[place]
    loss, salience = specifications.LOSSES[place], specifications.SALIENCES[place]
    column.slider(f"{which} loss", 0.0, 10.0, state.get(loss), 0.05, **state.widget(loss))
    column.slider(f"{which} salience", 0.0, 1.0, state.get(salience), 0.05, **state.widget(salience))
losses = (state.get(specifications.LOSSES[0]), state.get(specifications.LOSSES[1]))
saliences = (state.get(specifications.SALIENCES[0]), state.get(specifications.SALIENCES[1]))
found = specifications.weighted(losses, saliences)
left, right = st.columns(2)
left.metric("Weighted mean", f"{found.mean:.3f}", help="sum(salience x loss) / sum(salience)")
right.metric("Plain mean", f"{found.plain:.3f}")
st.markdown(
    f"The weights are {found.shares[0]:.0%} and {found.shares[1]:.0%}. The document's two steps would descend "
    f"{found.steps[0]:.3f} and {found.steps[1]:.3f}. Halve both saliences: the weighted mean stays as it is, the document's "
    "two losses are halved."
)
components.illustrative("Losses and saliences are those that you set; the arithmetic is exact.")

st.subheader("What salience really weighs")
st.markdown(
    "A weight on the loss is not yet a share of what is learned. An exchange that the brain finds strange has a larger "
    "gradient. Here is the part of all salience that each exchange of a night has, and the part of the gradient at its start."
)
replies = night["replies"] if night else []
if replies and any(reply["share"] for reply in replies):
    parts, shares = specifications.shares(replies)
    names = [f"exchange {place}" for place in range(1, len(replies) + 1)]
    charts_compare.paired_bars(names, ("part of salience", parts), ("part of gradient", shares), "part of the night", "shares")
    for name, reply in zip(names, replies, strict=True):
        components.said(f"{name.capitalize()}, salience {components.percent(reply['salience'])}", reply["prompt"])
    of_salience, of_gradient = specifications.ratio(parts), specifications.ratio(shares)
    if len(replies) > 1 and of_salience and of_gradient:
        st.markdown(
            f"The largest salience is {of_salience:.2f} times the smallest; the largest gradient is {of_gradient:.2f} times "
            "the smallest."
        )
    label(bool(view.nights), f"night {night['cycle']} of the ledger, norm of each exchange's weighted gradient before step 1")
else:
    st.info("There is no night yet to read this from.", icon=":material/info:")

st.subheader("AdamW hardly notices a uniform scale")
st.markdown(
    "AdamW divides each step by the size of the gradients it has seen. When every salience is multiplied by the same number, "
    "both change together, and the step stays nearly as it was. So the document's `loss * salience` says little about how "
    "much is learned; only the differences between saliences can count. Measured with the document's recipe:"
)
if facts:
    whole = facts["scaled"][0]["change"]
    rows = [
        (f"times {one['scale']:g}", f"{one['change']:.3g}", f"{one['change'] / whole:.1%}" if whole else "none")
        for one in facts["scaled"]
    ]
    table(rows, ("every salience", "norm of the change of the weights", "of the first"))
    label(own_facts, "the document's three exchanges, two passes at its learning rate, seed 0, a throw-away adapter")

st.header("This machine")
if facts:
    table(specifications.machine_rows(facts), ("what", "here"))
    label(own_facts, "read from the running worker")
