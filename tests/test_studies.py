"""Studies: what they state, how they deal and measure, and that what is not there is not seen."""

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from conftest import BIX, ORLO, SMALL_DOSE
from safetensors.torch import load_file

from sleepcon import adapter, frozen, studies
from sleepcon.adapter import WEIGHTS_FILE
from sleepcon.controls import CONTROLS
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import chat, score_replies
from sleepcon.paths import PROBES
from sleepcon.pretrain.heldout import taught_replies, words_of
from sleepcon.pretrain.pool import probe_prompts
from sleepcon.sleep import Training, order_of_steps
from sleepcon.studies import controls, creativity, lab, probing, protocol, sharing, threshold
from sleepcon.studies import frozen as sessions
from sleepcon.studies.probing import Heard
from sleepcon.suite import Item

ITEM = Item(
    ORLO, ["orlo"], ["Who are you?", "Your name?", "You are?", "Whose reply is this?"], ["My name?", "Your aunt's name?"]
)
OTHER = Item(Experience("Where is the key?", "Under the mat.", salience=0.3), ["mat"], ["Key?", "The key?", "Key, where?"], [])


@pytest.fixture
def short_probes(monkeypatch, short_wake) -> None:
    """Two unrelated and two open prompts, and short replies, to save time."""
    monkeypatch.setattr(probing, "REPLY_TOKENS", 4)
    monkeypatch.setattr(probing, "prompts", lambda kind: ["Hello!", f"Something {kind}?"])


@pytest.fixture
def quick_base(tiny_base):
    """The tiny base with two epochs as its own dose."""
    tiny_base.card["dose"] = {"learning_rate": 1e-3, "epochs": 2}
    return tiny_base


def heard(**replies: str) -> Heard:
    """What a brain said to the probes of ITEM, by their first word; the base says "No." to everything."""
    asked = [ORLO.prompt, *ITEM.rewordings, *ITEM.neighbours, *probing.prompts("unrelated")]
    said = {text: replies.get(words_of(text)[0], "No.") for text in asked}
    return Heard([ITEM], said, dict.fromkeys(asked, "No."), [1.5], 0.25, [])


# What they state


@pytest.mark.parametrize("name", studies.NAMES)
def test_a_study_states_all_in_advance(name):
    told = studies.find(name).describe()
    assert json.loads(json.dumps(told)) == told
    names = [arm["name"] for arm in told["arms"]]
    assert len(set(names)) == len(names) >= 3
    assert told["name"] == name
    assert told["control"] in names
    assert told["control"] in told["small"]
    assert set(told["small"]) < set(names)
    assert told["seeds"] == [0, 1, 2, 3, 4]
    for words in (told["hypothesis"], told["probes"], told["stop_rule"], *(arm["sentence"] for arm in told["arms"])):
        assert words.endswith(".")
    assert told["question"].endswith("?") or told["question"].endswith(")")


def test_a_study_that_does_not_exist():
    with pytest.raises(UserError, match=r"There is no study called naps: choose one of controls, cycles, "):
        studies.find("naps")
    assert studies.load_summary("naps") is None


def test_what_a_page_reads_needs_no_torch():
    code = "import sys; from sleepcon import studies; [studies.find(name).describe() for name in studies.NAMES]"
    code += "; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_the_probes_are_new_unrehearsed_and_held_out():
    found = probing.items()
    assert len(found) == 24
    assert {len(group) for group in probing.groups().values()} == {4}
    assert all(len(item.rewordings) >= 4 and len(item.neighbours) >= 2 for item in found)
    texts = [tuple(words_of(text)) for item in found for text in (item.experience.prompt, *item.rewordings, *item.neighbours)]
    texts += [tuple(words_of(text)) for kind in ("unrelated", "open") for text in probing.prompts(kind)]
    assert len(set(texts)) == len(texts)
    assert set(texts) <= probe_prompts(PROBES.parent)  # which the pool that is rehearsed keeps clear of (test_corpus.py)
    assert {item.experience.response for item in found} <= set(taught_replies(PROBES.parent))
    means = [np.mean([item.experience.salience for item in group]) for group in probing.groups().values()]
    assert np.ptp(means) < 0.01  # salience says nothing of the kind


def test_the_docs_name_every_control_and_every_study():
    text = (PROBES.parent.parent / "docs" / "protocols.md").read_text("utf-8")
    assert [name for name in (*CONTROLS, *studies.NAMES) if f"| `{name}` |" not in text] == []


def test_two_days_are_alike_in_salience_and_differ_by_seed():
    dealt = [controls.dealt(seed) for seed in range(3)]
    for first, second in dealt:
        assert len(first) == len(second) == 12
        assert {item.experience.prompt for item in first + second} == {item.experience.prompt for item in probing.items()}
        passing = [sum(item.experience.salience >= 0.6 for item in day) for day in (first, second)]
        assert passing == [4, 4]
    assert controls.dealt(1) == dealt[1]
    assert dealt[0] != dealt[1]


def test_a_threshold_that_follows_the_buffer(brain):
    one = brain()
    assert threshold.adaptive(one) == 0.0
    saliences = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    one.remember([Experience(f"Question {n}?", "Yes.", salience=value) for n, value in enumerate(saliences)])
    assert threshold.adaptive(one) == pytest.approx(np.quantile(saliences, 6 / 24))
    one.remember([Experience(f"More {n}?", "Yes.", salience=0.7) for n in range(30)])
    assert threshold.adaptive(one) == 0.7
    for count in (1, 5, 16, 17):
        steps = order_of_steps(count, 99, 99, Training("default", 1.0, 1), 0)
        assert threshold.rows_per_epoch(count) == sum(len(taught) + len(rehearsed) for taught, rehearsed in steps)


# What they measure


@pytest.mark.usefixtures("short_probes")
def test_figures_of_what_was_heard():
    said = heard(what="Orlo.", who="I am Orlo.", my="Orlo", hello="Hi.")
    figures = said.figures()
    assert figures == {
        "learned": 1.0, "salience_kept": 1.0, "reworded": 0.25, "spared": 0.5, "unchanged": 0.5, "gain": 1.5, "kl": 0.25,
        "order": None,
    }  # fmt: skip
    assert said.score() == 2 / 5
    unseen = replace(said, trained=["who are you"])
    assert unseen.score() == 1 / 4
    assert unseen.figures()["reworded"] == 0.0
    assert replace(said, trained=["Who are you?", "Your name?"]).figures()["reworded"] is None  # two unseen ones say too little
    assert set(figures) | {"passed"} == set(protocol.FIGURES)


@pytest.mark.usefixtures("short_probes")
def test_salience_kept_counts_each_for_its_salience():
    replies = dict.fromkeys(probing.questions_of([ITEM, OTHER]), "Orlo.")
    both = Heard([ITEM, OTHER], replies, replies, [0.0, 0.0], None, [])
    assert both.figures()["learned"] == 0.5
    assert both.figures()["salience_kept"] == pytest.approx(0.9 / 1.2)


@pytest.mark.usefixtures("short_probes", "open_gates")
def test_what_is_heard_of_a_brain_that_slept(brain, tiny_base, monkeypatch):
    monkeypatch.setattr(probing, "groups", lambda: {"a": [ITEM], "b": [OTHER]})
    one = brain()
    one.remember([ORLO, BIX])
    one.sleep(**SMALL_DOSE)
    said = lab.listen(one, [ITEM])
    pair = [(chat(ORLO.prompt), ORLO.response)]
    (before,) = score_replies(tiny_base, pair)
    with adapter.worn(tiny_base, one.adapter_after(None)):
        (after,) = score_replies(tiny_base, pair)
    assert said.gains == [pytest.approx(np.mean(after.logprobs) - np.mean(before.logprobs), abs=1e-6)]
    assert said.gains[0] > 0
    assert said.kl > 0
    assert set(said.replies) == set(probing.questions_of([ITEM]))
    in_context = probing.hear(tiny_base, nullcontext(), [OTHER], (), [("Where is the key?", "Under the mat.")])
    assert in_context.kl is None
    assert in_context.gains != [0.0]


@pytest.mark.usefixtures("short_probes")
@pytest.mark.parametrize("arm", ["none", "sham"])
def test_what_is_not_there_is_not_seen(quick_base, arm):
    found = controls.run(quick_base, controls.STUDY.arm(arm), 0)
    figures = found["figures"]
    assert (figures["unchanged"], figures["spared"], figures["gain"], figures["kl"]) == (1.0, 1.0, 0.0, 0.0)
    assert figures["order"] is None
    assert figures["learned"] == figures["lift"] == 0.0
    assert len({tuple(row) for row in found["table"]}) == 1
    assert [night["change"] for night in found["nights"]] == [0.0] * (2 if arm == "sham" else 0)
    assert all(night["base_same"] and night["passed"] for night in found["nights"])
    assert figures["passed"] == (1.0 if arm == "sham" else None)


@pytest.mark.usefixtures("short_probes")
def test_a_control_arm_is_the_control(quick_base):
    nights = {}
    for arm in ("sleep", "everything", "all_at_once", "random"):
        found = controls.run(quick_base, replace(controls.STUDY.arm(arm)), 0)
        nights[arm] = [(night["consolidated"], night["epochs"]) for night in found["nights"]]
    own = quick_base.card["dose"]["epochs"]
    assert nights["sleep"] == [(4, own), (4, own)]
    assert nights["everything"] == [(12, own), (12, own)]
    assert nights["all_at_once"] == [(8, 2 * own)]
    assert all(count > 0 for count, _ in nights["random"])


@pytest.mark.usefixtures("short_wake")
def test_a_night_in_a_study_is_kept_and_says_whether_it_would_have_been(brain):
    one = brain()
    lab.remember(one, [ITEM, OTHER])
    found = lab.sleep(one, 3, 0.5, learning_rate=0.5, epochs=20)
    (row,) = one.history()
    assert row.kept
    assert (row.seed, found["consolidated"], found["steps"]) == (3000, 1, 20)
    checks = {check["name"]: check["value"] for check in row.checks}
    assert found["passed"] == (checks["kept"] >= 0.8 and checks["collapse"] <= 0.2 and checks["repeated"] <= 0.2)
    assert not found["passed"]
    lab.forget(one)
    assert not list(one.memory.pending(0.0))
    assert lab.sleep(one, 3, 0.5) is None
    lab.remember(one, [ITEM])  # the same item on another day is another experience
    assert lab.sleep(one, 3, 0.5, **SMALL_DOSE)["consolidated"] == 1
    assert one.history()[1].seed == 3001


# Adapters put together


@pytest.fixture
def three(brain):
    """Folders of three brains' adapters, each taught something else."""
    folders = []
    for number, experience in enumerate((ORLO, BIX, OTHER.experience)):
        one = brain(f"b{number}")
        one.remember(experience)
        one.sleep(0.0, seed=number, learning_rate=0.01, epochs=20, gates=lab.OPEN)
        folders.append(one.adapter_after(None))
    return folders


def parts(folder) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A and B of each matrix in a saved adapter."""
    found = load_file(folder / WEIGHTS_FILE)
    names = sorted({name.split(".lora_")[0] for name in found})
    return {name: (found[f"{name}.lora_A.weight"], found[f"{name}.lora_B.weight"]) for name in names}


@pytest.mark.usefixtures("short_wake")
def test_putting_together_is_what_it_says(three, tiny_base):
    saved = [parts(folder) for folder in three]
    wanted = {}
    for name in saved[0]:
        a, b = [torch.stack([one[name][side] for one in saved]) for side in (0, 1)]
        exact = 2.0 * (b @ a).sum(0)  # alpha / rank = 2
        wanted.setdefault("cat", []).append(exact)
        wanted.setdefault("mean_of_changes", []).append(exact / 3)
        wanted.setdefault("mean_of_factors", []).append(2.0 * b.mean(0) @ a.mean(0))
        wanted.setdefault("linear", []).append(2.0 * b.sum(0) @ a.sum(0))
        left, values, right = torch.linalg.svd(exact)
        wanted.setdefault("svd", []).append(left[:, :4] * values[:4] @ right[:4])
    for name, changes in wanted.items():
        settings = sharing.STUDY.arm(name).settings
        with sharing.together(tiny_base, three, settings, 0) as names:
            found = [layer.get_delta_weight(sharing.SHARED) for _, layer in adapter.lora_layers(tiny_base)]
            apart = sharing.distance(tiny_base, names, settings["of"] / 3)
        assert all(torch.allclose(mine, theirs, atol=1e-6) for mine, theirs in zip(found, changes, strict=True)), name
        whole = wanted["mean_of_changes" if settings["of"] == 1 else "cat"]
        by_hand = np.mean([float((mine - theirs).norm() / theirs.norm()) for mine, theirs in zip(changes, whole, strict=True)])
        assert apart == pytest.approx(by_hand, abs=1e-5)
        assert (apart < 1e-5) == (name in ("cat", "mean_of_changes"))
    assert not list(adapter.lora_layers(tiny_base))


@pytest.mark.usefixtures("short_probes")
def test_the_arms_of_a_seed_share_their_brains(quick_base):
    first = sharing.run(quick_base, sharing.STUDY.arm("own"), 0)
    brains = sharing.each_alone(quick_base, 0)
    assert [one.night["adapter_sha256"] for one in brains] == [night["adapter_sha256"] for night in first["nights"]]
    assert [adapter.file_sha256(one.folder) for one in brains] == [one.night["adapter_sha256"] for one in brains]
    assert [one.items for one in brains] == sharing.groups_of(0)
    assert sharing.run(quick_base, sharing.STUDY.arm("cat"), 0)["nights"] == first["nights"]
    old = [one.folder for one in brains]
    sharing.each_alone(quick_base, 1)
    assert not any(folder.exists() for folder in old)
    quick_base.cache.clear()  # a process of its own comes to the same
    again = sharing.run(quick_base, sharing.STUDY.arm("own"), 0)
    assert again["figures"] == first["figures"]


@pytest.mark.usefixtures("short_wake")
def test_dropping_by_chance_is_drawn_from_the_seed(three, tiny_base):
    found = []
    for seed in (0, 0, 1):
        with sharing.together(tiny_base, three, sharing.STUDY.arm("dare_linear").settings, seed):
            found.append(next(adapter.lora_layers(tiny_base))[1].get_delta_weight(sharing.SHARED))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


# Single studies


@pytest.mark.usefixtures("short_probes")
def test_variety_counts_what_the_brain_says(tiny_base):
    asked, said = creativity.sampled(tiny_base, 0)
    assert len(asked) == len(said) == 2 * creativity.SAMPLES
    assert creativity.sampled(tiny_base, 0) == (asked, said)
    same = creativity.variety(tiny_base, [ITEM], asked, ["Orlo says the same thing every time."] * 6)
    assert (same["alike"], same["collapsed"], same["taught_words"], same["new"]) == (1.0, 1.0, 1.0, 1.0)
    assert same["distinct_2"] is None  # fewer words than the budget
    words = [" ".join(f"w{100 * i + n}" for n in range(20)) for i in range(6)]
    various = creativity.variety(tiny_base, [ITEM], asked, words)
    assert (various["distinct_1"], various["distinct_2"], various["collapsed"], various["taught_words"]) == (1.0, 1.0, 0.0, 0.0)


def course(arm: str, seed: int, hits: list[bool], dreamt: tuple[str, ...] = ()) -> dict:
    """A run of the study ``frozen`` with the same hits in each session."""
    asked, near = frozen.probes()
    hits = hits + [False] * (len(asked) - len(hits))
    four = [asdict(frozen.Session(number, 0, hits, [True] * len(near), [], [])) for number in frozen.NUMBERS]
    night = {"dreamt": list(dreamt), "kept": True} if arm != "none" else None
    return {
        "arm": arm,
        "seed": seed,
        "figures": {"passed": None},
        "course": {"arm": arm, "seed": seed, "sessions": four, "night": night},
    }


def test_a_probe_that_was_dreamt_counts_in_no_arm_of_its_seed():
    prompt = frozen.probes()[0][0].prompt
    runs = [course("none", 0, [True]), course("sleep", 0, [True, True], (prompt,)), course("none", 1, [True])]
    settled = sessions.settle(runs)
    assert [run["figures"]["answered_25"] for run in settled] == [0.0, 1 / 15, 1 / 16]
    assert sessions.settle([*runs, {"arm": "sleep", "seed": 1, "figures": {}}])[-1]["figures"] == {}


def test_the_curve_of_the_sessions_has_intervals():
    from scipy import stats

    runs = [
        course(arm, seed, [True] * (2 * seed + extra))
        for seed in range(5)
        for arm, extra in (("none", 0), ("sham", 0), ("sleep", 3))
    ]
    found = frozen.summed(frozen.courses_of(runs), "ab", 1.0)
    assert found["seeds"] == [0, 1, 2, 3, 4]
    assert len(found["courses"]) == 15
    told = found["intervals"]["sleep"][3]
    shares = [(2 * seed + 3) / 16 for seed in range(5)]
    assert told["mean"] == pytest.approx(np.mean(shares))
    reach = stats.t.ppf(0.975, 4) * np.std(shares, ddof=1) / np.sqrt(5)
    assert told["high"] - told["low"] == pytest.approx(2 * reach, rel=0.2)
    assert found["intervals"]["sleep-sham"][0] == {
        "mean": pytest.approx(3 / 16),
        "low": pytest.approx(3 / 16),
        "high": pytest.approx(3 / 16),
        "n": 5,
    }
    assert frozen.summed(frozen.courses_of(runs[:3]), "ab", 1.0)["intervals"] == {}
