"""The corpus: conversations drawn from the material, held to the held-out rule, as token ids on disk.

Shard ``i`` of a corpus with seed ``s`` depends on ``(s, i)`` alone, so shards are made in parallel and again the same.
"""

import random
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from tokenizers import Regex as TokenizerRegex
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from sleepcon.pretrain.conversations import BROAD, FACTS, Material, Mix, Turns, conversation, is_core
from sleepcon.pretrain.heldout import HeldOut, taught_replies
from sleepcon.pretrain.lexicon import Lexicon
from sleepcon.pretrain.topics import load_topics

SHARD = 5000
FOLDERS = ("context", "knowledge", "prose", "talk")
WORDINGS_FOLDER = "wordings"
"""Topics in ten wordings and more, and prose, for the mixes that want them: the base learns the rest first."""
TEXT_END, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# Qwen2's own splitting of text before byte-pair merges: digits one by one, a space goes with the word after it.
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def read_dialogues(path: Path) -> list[Turns]:
    """Hand-written chats: blocks of ``U:``, ``A:`` and ``S:`` lines."""
    roles = {"U": "user", "A": "assistant", "S": "system"}
    blocks = re.split(r"\n\s*\n", path.read_text(encoding="utf-8"))
    chats = []
    for block in blocks:
        lines = [line for line in block.splitlines() if re.match(r"[UAS]: ", line)]
        if lines:
            chats.append([(roles[line[0]], line[3:].strip()) for line in lines])
    return chats


def load_material(assets: Path, mix: Mix = FACTS) -> Material:
    """Everything hand-written that ``mix`` uses."""
    corpus = assets / "corpus"
    folders = [corpus / name for name in (*FOLDERS, *([WORDINGS_FOLDER] if mix.wordings else []))]
    topics: dict[str, list] = {}
    for topic in load_topics(folders):
        if mix.core and not is_core(topic):
            continue
        topics.setdefault(topic.kind, []).append(topic)
    prose = [
        line.strip()
        for folder in folders
        for path in sorted(folder.glob("prose_*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return Material(mix, Lexicon.load(corpus), topics, prose, read_dialogues(corpus / "talk/dialogues.txt"))


def conversations(seed: int, shard: int, assets: Path, mix: Mix) -> Iterator[Turns]:
    """The conversations of one shard; those that break the held-out rule are left out."""
    material, held_out = load_material(assets, mix), HeldOut(taught_replies(assets))
    rng = random.Random(f"{seed}/{shard}")
    for _ in range(SHARD):
        turns = conversation(rng, material)
        if not held_out.broken_by(" \n ".join(text for _, text in turns)):
            yield turns


def train_tokenizer(texts: Iterator[str], size: int) -> Tokenizer:
    """A byte-level BPE tokenizer of ``size`` entries, split as Qwen2 splits; any text can be written with it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(TokenizerRegex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[TEXT_END, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def pieces(turns: Turns) -> list[tuple[str, bool]]:
    """A conversation as ``(text, taught)`` pieces, in the chat template's form; ``taught`` marks what the base answers for."""
    if turns[0][0] == "text":
        return [(TEXT_END, False), (turns[0][1] + TEXT_END, True)]
    found = []
    for role, text in turns:
        found.append((f"{TURN_START}{role}\n", False))
        found.append((f"{text}{TURN_END}", role == "assistant"))
        found.append(("\n", False))
    return found


def encode_shard(job: tuple[int, int, Path, Mix, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(ids, taught, lengths)`` of one shard: flat uint16 ids, flat flags, tokens per conversation."""
    seed, shard, assets, mix, tokenizer_json = job
    tokenizer = Tokenizer.from_str(tokenizer_json)
    ids, taught, lengths = [], [], []
    for turns in conversations(seed, shard, assets, mix):
        parts = pieces(turns)
        encoded = tokenizer.encode_batch_fast([text for text, _ in parts])
        lengths.append(sum(len(part.ids) for part in encoded))
        for (_, flag), part in zip(parts, encoded, strict=True):
            ids += part.ids
            taught += [flag] * len(part.ids)
    return np.array(ids, np.uint16), np.array(taught, np.uint8), np.array(lengths, np.int32)


def build_tokenizer(seed: int, assets: Path, folder: Path, vocabulary: int) -> None:
    """Train the tokenizer on the first shards of the broad mix and write it into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = (text for shard in range(6) for turns in conversations(seed, shard, assets, BROAD) for _, text in turns)
    train_tokenizer(texts, vocabulary).save(str(folder / "tokenizer.json"))


def build_corpus(seed: int, shards: range, assets: Path, mix: Mix, tokenizer: Path, folder: Path, workers: int) -> None:
    """Write ids, flags and lengths of ``shards`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(seed, shard, assets, mix, tokenizer.read_text(encoding="utf-8")) for shard in shards]
    with ProcessPoolExecutor(workers) as pool:
        ids, taught, lengths = (np.concatenate(parts) for parts in zip(*pool.map(encode_shard, jobs), strict=True))
    for name, array in (("ids", ids), ("taught", taught), ("lengths", lengths)):
        np.save(folder / f"{name}.npy", array)
