"""The embedded base's table: what it knows, whether it follows its context, how it stands with strange sentences.

    python -m sleepcon.pretrain report

Every figure is counted on replies in free (greedy) generation, but for the loss.
"""

import random
import re
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from sleepcon.model import Base, Turn, chat, generate, right_padded
from sleepcon.pretrain.conversations import BROAD, Known, Material, ask_again, give, sum_exchange
from sleepcon.pretrain.corpus import TEXT_END, load_material
from sleepcon.pretrain.heldout import words_of
from sleepcon.pretrain.topics import bind

CONTEXT_TRIALS = 400
SUM_TRIALS = 400
FUNCTION_WORDS = set(
    "a an the and or but if then than so because while when where who whom whose which what why how that this these those "
    "i me my mine you your yours he him his she her hers it its we us our ours they them their theirs myself himself herself "
    "is am are was were be been being do does did done doing have has had having will would can could shall should may might "
    "must not no yes nor to of in on at by for from with without into onto over under above below up down out off about after "
    "before between behind beside near through across along around against during until since toward towards inside outside "
    "as like there here all any both each every few many more most much several some such only own same too very just also "
    "again ever never always once one two three four five six seven eight nine ten first second third last next other another "
    "himself itself themselves ourselves yourself nobody nothing nowhere somebody something someone everyone everything "
    "anyone anything none either neither whether though although unless yet still even dont didnt doesnt cant wont im ive ill "
    "its thats whats isnt wasnt arent werent couldnt wouldnt shouldnt hes shes theyre were youre let lets got get gets".split()
)


def same(left: str, right: str) -> bool:
    """Whether two replies have the same words."""
    return words_of(left) == words_of(right)


def share(hits: list[bool]) -> float:
    """Share of True, 0..1."""
    return sum(hits) / len(hits)


def default_replies(base: Base, material: Material, kinds: tuple[str, ...], seed: int) -> list[tuple[str, str, str]]:
    """``(question, reply, what it should be)`` for each topic of ``kinds``, one wording each, nothing in the context."""
    rng = random.Random(seed)
    cases = []
    for kind in kinds:
        for topic in material.topics[kind]:
            fact = bind(topic, rng, material.lexicon)
            cases.append((fact.fill(rng.choice(topic.ask)), fact.fill(topic.default)))
    replies = generate(base, [chat(question) for question, _ in cases])
    return [(question, reply, wanted) for (question, wanted), reply in zip(cases, replies, strict=True)]


def sum_replies(base: Base, seed: int) -> list[tuple[str, str, str]]:
    """``(question, reply, what it should be)`` for ``SUM_TRIALS`` small sums."""
    rng = random.Random(seed)
    sums = [sum_exchange(rng) for _ in range(SUM_TRIALS)]
    replies = generate(base, [chat(asked) for (_, asked), _ in sums])
    return [(asked, reply, wanted) for ((_, asked), (_, wanted)), reply in zip(sums, replies, strict=True)]


def context_cases(material: Material, kind: str, seed: int) -> list[tuple[list[Turn], str]]:
    """``(chat, value that the reply must hold)``: one fact in the context, with a name drawn here and now."""
    rng = random.Random(f"{seed}/{kind}")
    cases: list[tuple[list[Turn], str]] = []
    while len(cases) < CONTEXT_TRIALS:
        topic = material.topic(kind, rng)
        line, turns, known = give(topic, rng, material)
        value = known.fact.values["x"]
        if value.lower() not in known.reply.lower():
            continue
        question = ask_again(Known(known.fact, known.reply, known.asked), rng, material)[0][1]
        given = ([("system", line)] if line else []) + turns + [("user", question)]
        cases.append(([{"role": role, "content": text} for role, text in given], value))
    return cases


def sentences_in_lexicon(material: Material, probes: Path) -> list[str]:
    """The held-out sentences whose every word is in the lexicon (or a function word)."""
    known = {re.sub(r"[^a-z0-9]", "", word) for word in material.lexicon.words()} | FUNCTION_WORDS
    lines = [line for path in sorted(probes.glob("heldout_sentences*.txt")) for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line.strip() and set(words_of(line)) <= known]


@torch.inference_mode()
def nats_per_token(base: Base, sentences: list[str]) -> float:
    """Mean negative log-likelihood over all tokens of the sentences, each standing alone."""
    start = base.tokenizer.convert_tokens_to_ids(TEXT_END)
    rows = [[start, *base.tokenizer.encode(text, add_special_tokens=False)] for text in sentences]
    ids, mask = right_padded(rows, base.tokenizer.pad_token_id)
    logits = base.model(input_ids=ids, attention_mask=mask).logits.float()
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return float((losses * mask[:, 1:]).sum() / mask[:, 1:].sum())


def speed(base: Base) -> float:
    """Greedy tokens per second, one chat at a time."""
    chats = [chat(question) for question in ("Tell me about the moon.", "How do I cook rice?", "What is a harbour?")]
    began, count = time.perf_counter(), 0
    for turns in chats:
        count += len(base.tokenizer.encode(generate(base, [turns])[0])) + 1
    return count / (time.perf_counter() - began)


def report(base: Base, assets: Path, seed: int = 20_260_101, wrong: list | None = None) -> dict[str, float]:
    """All figures of the table; shares are 0..1. ``wrong``, if given, collects ``(group, question, reply, wanted)``."""
    material = load_material(assets, BROAD)
    rows: dict[str, float] = {}
    wrong = [] if wrong is None else wrong
    groups = {
        "knowledge": default_replies(base, material, ("knowledge",), seed),
        "small_sums": sum_replies(base, seed),
        "default_persona": default_replies(base, material, ("persona",), seed),
        "small_talk": default_replies(base, material, ("talk",), seed),
        "other_defaults": default_replies(base, material, ("user", "world", "rule", "correction"), seed),
    }
    rows["ordinary_knowledge"] = share([same(reply, wanted) for _, reply, wanted in groups["knowledge"] + groups["small_sums"]])
    for name, results in groups.items():
        rows[name] = share([same(reply, wanted) for _, reply, wanted in results])
        wrong += [(name, *case) for case in results if not same(case[1], case[2])]
    for kind in ("persona", "user", "world", "correction"):
        cases = context_cases(material, kind, seed)
        replies = generate(base, [turns for turns, _ in cases])
        hits = [value.lower() in reply.lower() for (_, value), reply in zip(cases, replies, strict=True)]
        rows[f"context_{kind}"] = share(hits)
        wrong += [(f"context_{kind}", turns[-1]["content"], reply, value)
                  for (turns, value), reply, hit in zip(cases, replies, hits, strict=True) if not hit]  # fmt: skip
    sentences = sentences_in_lexicon(material, assets / "probes")
    rows["heldout_sentences"] = len(sentences)
    rows["heldout_nats_per_token"] = nats_per_token(base, sentences)
    rows["parameters"] = sum(p.numel() for p in base.model.parameters())
    rows["tokens_per_second"] = speed(base)
    return rows
