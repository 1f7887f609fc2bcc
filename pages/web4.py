"""Web4 trust: karma, identity and trust in the document's sense, and the one part of it that can be measured here."""

import streamlit as st

from sleepcon.recorded import recording
from sleepcon.ui import brains, charts_compare, components, run_box, shell, state

QUESTION = state.whole("question", 0, 0, 999)
GROUPS = {
    "identity": "who the brain is (two of the five were taught in these words)",
    "clarify": "capitals of places that do not exist (one of the five was taught)",
    "ordinary": "questions that the day says nothing about",
}

shell.begin(QUESTION)
view = brains.look(state.get(state.BRAIN_NAME))

st.title("Web4 trust", anchor=False)
st.markdown(
    "Web4 is a proposal for a network in which programs act for people and earn trust by how they behave. The document sees "
    "sleep as what makes an agent the same from one session to the next. Here are its three terms, and what stands for each "
    "of them in this program."
)
CARDS = (
    (
        "Sleep = karma",
        "What an agent does well while it is awake becomes karma while it sleeps, and lasts across sessions.",
        "A night's adapter and its row in the ledger last. The filter keeps what is salient, whether it is good or not.",
    ),
    (
        "Identity persistence",
        "An LCT (Linked Context Token) gives an agent a lasting identity; sleep gives it lasting behaviour.",
        "No LCT is issued. The SHA-256 of base and adapter identify a brain: the same hashes give the same replies.",
    ),
    (
        "Trust accumulation",
        "Reliable behaviour, with little confabulation and much consistency, raises the scores of a trust tensor.",
        "No trust tensor is computed and no other agent takes part. Consistency can be measured, and is, below.",
    ),
)
st.header("Three terms")
for column, (heading, document, here) in zip(st.columns(3), CARDS, strict=True):
    with column.container(border=True, height="stretch"):
        st.subheader(heading, anchor=False)
        st.markdown(f":material/menu_book: **In the document.** {document}")
        st.markdown(f":material/science: **Here.** {here}")
kept = [night for night in view.nights if night.kept]
if kept:
    st.code(f"base    {kept[-1].base_sha256_after}\nadapter {kept[-1].adapter_sha256}", language=None, wrap_lines=True)
    components.measured(view.label, f"the two hashes that identify it after night {kept[-1].cycle}")

st.header("Consistency over sessions")
st.markdown(
    "The same questions are asked in five sessions. The first has the day's exchanges in its context, as if they had just been "
    "said. The others have small talk in it, or nothing. Without sleep the day is gone with its session. After a night it may "
    "be in the weights. The **consistency** of a question is the mean token F1 over all pairs of its five replies: 1 when they "
    "have the same words, 0 when no two share one."
)
seed = state.get(state.SEED)
st.markdown(f"The day is the document's three exchanges that pass 60%. The night has seed {seed}, in a throw-away brain.")
result = run_box.box(
    "consistency", {"seed": seed}, "Measure consistency", "A throw-away brain is made; your own stays as it is."
)
played = recording("consistency")
shown = result or (played.result if played else None)


def label(what: str) -> None:
    """Say where the figures come from."""
    if result:
        night = result["night"]
        dose = f"seed {night['seed']}, learning rate {night['learning_rate']:g}, {night['epochs']} passes"
        st.caption(f":material/straighten: **Measured** on a throw-away brain, {dose}: {what}.")
    elif played:
        components.recorded(played, what)


def in_words(groups: list[dict]) -> str:
    """Which groups' replies agreed more after the night, and which less, as two decimals show it."""
    sides: dict[str, list[str]] = {"More consistent": [], "Less consistent": [], "Equally consistent": []}
    for one in groups:
        without, after = round(one["without"], 2), round(one["with"], 2)
        side = "More consistent" if after > without else "Less consistent" if after < without else "Equally consistent"
        sides[side].append(f"{one['group']} ({without:.2f} without, {after:.2f} after)")
    return " ".join(["**After the night.**", *(f"{side}: {', '.join(names)}." for side, names in sides.items() if names)])


if shown is None:
    st.info("Nothing is measured yet, and no recorded run is at hand: press the button.", icon=":material/info:")
else:
    night, groups = shown["night"], shown["groups"]
    if not night["kept"]:
        st.warning("The night was rolled back, so both sides are the same brain.", icon=":material/undo:")
    without, after = ("without sleep", [one["without"] for one in groups]), ("after a night", [one["with"] for one in groups])
    charts_compare.paired_bars([one["group"] for one in groups], without, after, "mean consistency", "consistency")
    st.markdown("\n".join(f"- **{one['group'].capitalize()}**: {GROUPS[one['group']]}." for one in groups))
    st.markdown(in_words(groups))
    label(f"mean of {len(shown['questions'])} questions in {len(shown['sessions'])} sessions, one seed, greedy replies")

    st.subheader("What was said")
    questions = shown["questions"]
    state.put(QUESTION, min(state.get(QUESTION), len(questions) - 1))
    st.selectbox(
        "Question",
        range(len(questions)),
        state.get(QUESTION),
        format_func=lambda place: questions[place]["question"],
        **state.widget(QUESTION),
    )
    row = questions[state.get(QUESTION)]
    for place, (session, context) in enumerate(zip(shown["sessions"], shown["contexts"], strict=True)):
        st.markdown(f"**{session}**, in context: {context}")
        components.side_by_side(
            ("Without sleep", row["without"]["replies"][place]), ("After a night", row["with"]["replies"][place])
        )
    consistency = f"{row['without']['consistency']:.2f} without sleep, {row['with']['consistency']:.2f} after a night"
    st.markdown(f"Consistency of this question: {consistency}.")
    label("replies and consistency of one question")

st.subheader("What this is not")
st.markdown(
    "- It is not a measurement of trust between agents: there is one brain, and nobody relies on it.\n"
    "- It is not a measurement of truth. A brain that says the same wrong thing in every session scores 1, and so does one "
    "that always gives the same general answer. Read the replies.\n"
    "- One seed and one base say nothing about others. That sleep makes an agent more trustworthy is a hypothesis."
)
