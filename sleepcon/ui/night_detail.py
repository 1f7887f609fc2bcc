"""A night of the ledger, looked into: its loss cut in four ways, its replies token by token, and beside another night."""

import pandas as pd
import streamlit as st

from sleepcon.ui import charts_runs, components, control_box, runs, state, token_change
from sleepcon.ui.runs import Run

AGAINST = state.Field("against", lambda: runs.RECORDED, runs.read_name)
CURVE = state.choice("loss", ("step", "epoch", "experience", "before and after"))
"""Fields of the page that draws these: ``shell.begin(night_detail.CURVE, night_detail.AGAINST)``."""


def ledger(chosen: list[Run]) -> None:
    """A row for each night."""
    rows = [
        {
            "night": run.title, "control": control_box.title(run.cycle.control) if run.cycle.control else "none",
            "experiences": f"{run.cycle.consolidated} of {run.cycle.considered}",
            "loss before": run.cycle.loss_before, "loss after": run.cycle.loss_after,
            "came back": sum(reply["learned"] for reply in run.cycle.replies), "salience": run.cycle.average_salience,
            "seed": run.cycle.seed, "learning rate": run.cycle.learning_rate, "epochs": run.cycle.epochs,
            "seconds": run.cycle.seconds, "started": run.cycle.started,
        }
        for run in chosen
    ]  # fmt: skip
    numbers = {name: st.column_config.NumberColumn(format="%.3f") for name in ("loss before", "loss after", "salience")}
    numbers["seconds"] = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="ledger", column_config=numbers)


def losses(run: Run) -> None:
    """The night's loss, cut in the way that was chosen."""
    cycle = run.cycle
    options = {"step": "By step", "epoch": "By epoch", "experience": "By experience", "before and after": "Before and after"}
    cut = state.get(CURVE)
    st.segmented_control(
        "Loss", list(options), format_func=options.__getitem__, required=True, default=cut, **state.widget(CURVE)
    )
    if cut == "step" and cycle.curve:
        charts_runs.loss_lines([("loss", range(1, len(cycle.curve) + 1), cycle.curve)], "step", "by-step")
    elif cut == "epoch" and (means := charts_runs.epoch_means(cycle)):
        charts_runs.loss_lines([("mean of the epoch's steps", range(1, len(means) + 1), means)], "epoch", "by-epoch")
    elif cut == "experience" and any(cycle.losses):
        lines = [
            (f"experience {number}", [step for step, _ in points], [loss for _, loss in points])
            for number, points in enumerate(cycle.losses, 1)
            if points
        ]
        charts_runs.loss_lines(lines, "step", "by-experience")
        key_to_experiences(run)
    elif cut == "before and after" and (scored := [reply for reply in cycle.replies if reply.get("tokens")]):
        pairs = [token_change.losses(reply["tokens"]) for reply in scored]
        names = [str(cycle.replies.index(reply) + 1) for reply in scored]
        charts_runs.before_after(names, [old for old, _ in pairs], [new for _, new in pairs], "before-after")
        key_to_experiences(run)
    else:
        st.info("This night's row holds no such losses: it was written by an earlier version.", icon=":material/info:")
        return
    run.label("loss of the taught replies")


def key_to_experiences(run: Run) -> None:
    """Which number stands for which experience."""
    with st.expander("Which experience is which"):
        for number, reply in enumerate(run.cycle.replies, 1):
            components.said(f"Experience {number}", reply["prompt"])


def replies(run: Run) -> None:
    """Every reply before and after, and how likely each token of the taught one became."""
    after = "After the night" if run.cycle.kept else "After the night, rolled back"
    for place, reply in enumerate(run.cycle.replies):
        components.question(reply["prompt"], f"reply-{place}")
        components.side_by_side(("Before the night", reply["before"]), (after, reply["after"]))
        icon, said = (":material/check:", "The taught reply came back")
        if not reply["learned"]:
            icon, said = ":material/close:", "The taught reply did not come back"
        st.caption(f"{icon} {said} · salience {components.percent(reply['salience'])}")
        if not reply.get("tokens"):
            components.said("Taught", reply["taught"])
            continue
        st.caption("The taught reply, token by token")
        token_change.shaded(reply["tokens"])
        with st.expander("Its tokens as a table"):
            st.dataframe(token_change.table(reply["tokens"]), hide_index=True, key=f"tokens-{place}")
        if place + 1 < len(run.cycle.replies):
            st.space("small")
    st.caption(
        "Blue: likelier after the night. Orange and underlined: less likely. The stronger the shade, the larger the change."
    )
    run.label("probability of each token, given those before it")


def compare(found: dict[str, Run], name: str) -> None:
    """The night ``name`` of ``found`` beside another one of them."""
    run = found[name]
    others = {other: one for other, one in found.items() if other != name}
    if not others:
        st.markdown("There is only one night so far. Press Sleep, with another seed or threshold if you like.")
        return
    if state.get(AGAINST) not in others:
        state.put(AGAINST, next(iter(others)))
    st.selectbox(
        "Compare with",
        list(others),
        list(others).index(state.get(AGAINST)),
        format_func=lambda one: others[one].title,
        **state.widget(AGAINST),
    )
    other = others[state.get(AGAINST)]
    lines = [(one.title, range(1, len(one.cycle.curve) + 1), one.cycle.curve) for one in (run, other) if one.cycle.curve]
    if lines:
        charts_runs.loss_lines(lines, "step", "compared")
    ours, theirs = ({reply["prompt"]: reply for reply in one.cycle.replies} for one in (run, other))
    rows = [
        {"what": what, run.title: of(run), other.title: of(other)}
        for what, of in (
            ("loss before", lambda one: f"{one.cycle.loss_before:.3f}"),
            ("loss after", lambda one: f"{one.cycle.loss_after:.3f}"),
            ("experiences", lambda one: str(one.cycle.consolidated)),
            ("taught replies that came back", lambda one: str(sum(reply["learned"] for reply in one.cycle.replies))),
            ("seed", lambda one: str(one.cycle.seed)),
            ("learning rate", lambda one: f"{one.cycle.learning_rate:g}"),
            ("epochs", lambda one: str(one.cycle.epochs)),
            ("control", lambda one: control_box.title(one.cycle.control) if one.cycle.control else "none"),
            ("adapter (SHA-256)", lambda one: (one.cycle.adapter_sha256 or "none")[:12]),
        )
    ]
    st.table(pd.DataFrame(rows).set_index("what"))
    same = run.cycle.adapter_sha256 == other.cycle.adapter_sha256
    st.markdown(f"The two adapters are {'the same, bit for bit' if same else 'not the same'}.")
    for place, prompt in enumerate(prompt for prompt in ours if prompt in theirs):
        components.question(prompt, f"compared-{place}")
        components.side_by_side(
            (f"After: {run.title}", ours[prompt]["after"]), (f"After: {other.title}", theirs[prompt]["after"])
        )
    run.label("the first of the two")
    other.label("the second")
