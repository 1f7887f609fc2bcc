"""Seconds and memory of a training cycle on Qwen2.5-0.5B's architecture: ours beside the document's loop and TRL's SFTTrainer.

    pip install -e ".[bench]"
    python benchmarks/cycle.py --threads 2 --repeats 5 [--peers document ours-bfloat16 ...] [--model FOLDER] [--out FILE]

Three experiences of 190, 170 and 210 tokens, 100 of each are prompt; two epochs, LoRA r=4, alpha=8, dropout .05 on q_proj and
v_proj, AdamW at 1e-5. Each measurement is a process of its own: it loads the base, runs a cycle that is not counted, then
the one that is. The peers take turns, in the opposite order every other round.

``document``: the document's loop, one experience a step, float32, every token labelled, all logits, loss times salience.
``trl-*``: TRL's SFTTrainer on the same token ids with the same settings; without gradient checkpointing, its default, which
costs a second forward pass. ``recipe-*``: ``sleep.train`` with the document's recipe: the same steps and labels. ``ours-*``:
``sleep.train`` with labels on the reply, one experience a step. ``batched-*``: the same, all three experiences a step.

``work``: products that the labels ask for, 4 operations a frozen weight and token (forward and the gradient of the input),
the vocabulary's only at labelled places, attention and LoRA left out. ``rate``: this machine's best product of 512 tokens with
an MLP matrix, measured in the same process after the cycle; ``share``: work / seconds / rate.
Prints a table and one JSON document: medians over the repeats.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path

import torch
from random_qwen import make

LENGTHS, PROMPT = (190, 170, 210), 100
SALIENCES = (0.847, 0.723, 0.812)
EPOCHS, RATE = 2, 1e-5
PEERS = (
    "document", "trl-float32", "trl-bfloat16", "recipe-float32", "recipe-bfloat16", "ours-float32", "ours-bfloat16",
    "batched-float32", "batched-bfloat16",
)  # fmt: skip


# One measurement, in a process of its own


def texts(tokenizer) -> list[tuple[str, str]]:
    """(prompt, reply) of each experience, of the lengths above in tokens: a letter is a token here, marks are counted."""
    from sleepcon.model import chat

    empty = tokenizer.apply_chat_template(chat(""), tokenize=False, add_generation_prompt=True)
    letters = PROMPT - len(tokenizer.encode(empty, add_special_tokens=False))
    return [(chr(97 + n) * letters, chr(107 + n) * (length - PROMPT - 1)) for n, length in enumerate(LENGTHS)]


def rows_for_peers(tokenizer) -> list[list[int]]:
    """Token ids of each experience, prompt and reply with its end mark."""
    from sleepcon.model import chat

    rows = []
    for prompt, reply in texts(tokenizer):
        text = tokenizer.apply_chat_template(chat(prompt), tokenize=False, add_generation_prompt=True) + reply
        rows.append([*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id])
    assert tuple(map(len, rows)) == LENGTHS
    return rows


def lora():
    """The document's configuration, in PEFT's form."""
    from peft import LoraConfig

    return LoraConfig(r=4, lora_alpha=8, lora_dropout=0.05, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")


Run = Callable[[], list[float]]
"""A cycle; gives the losses of its steps."""


def document(folder: str, dtype: str) -> Callable[[], Run]:
    """The document's loop; gives a function that puts a fresh adapter on and gives the cycle."""
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    rows = [torch.tensor([row]) for row in rows_for_peers(AutoTokenizer.from_pretrained(folder))]

    def ready() -> Run:
        peft = get_peft_model(model, lora())
        peft.train()
        optimizer = torch.optim.AdamW([one for one in peft.parameters() if one.requires_grad], lr=RATE)

        def cycle() -> list[float]:
            losses = []
            for _ in range(EPOCHS):
                for ids, salience in zip(rows, SALIENCES, strict=True):
                    loss = peft(input_ids=ids, labels=ids).loss
                    (loss * salience).backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    losses.append(loss.item())
            peft.unload()
            return losses

        return cycle

    return ready


def trl(folder: str, dtype: str) -> Callable[[], Run]:
    """TRL's SFTTrainer; in bfloat16 the base is loaded in it and the trainer multiplies in it."""
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    data = Dataset.from_list([{"input_ids": row} for row in rows_for_peers(tokenizer)])
    settings = SFTConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=1, num_train_epochs=EPOCHS, learning_rate=RATE,
        lr_scheduler_type="constant", weight_decay=0.01, max_length=None, gradient_checkpointing=False, use_cpu=True,
        bf16=dtype == "bfloat16", logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
        dataloader_pin_memory=False, seed=0,
    )  # fmt: skip

    def ready() -> Run:
        trainer = SFTTrainer(get_peft_model(model, lora()), settings, train_dataset=data, processing_class=tokenizer)
        trainer.log = lambda line, *_: losses.append(line["loss"]) if "loss" in line else None
        losses: list[float] = []

        def cycle() -> list[float]:
            trainer.train()
            trainer.model.unload()
            return losses

        return cycle

    return ready


def ours(folder: str, dtype: str, how: str) -> Callable[[], Run]:
    """``sleep.train``; ``how``: recipe, ours or batched."""
    from sleepcon.adapter import LoraSettings, worn_for_training
    from sleepcon.dream import Lesson
    from sleepcon.model import fast_products, load_base
    from sleepcon.sleep import Training, train

    base = load_base(folder, dtype, "cpu")
    pairs = zip(texts(base.tokenizer), SALIENCES, strict=True)
    lessons = [Lesson(prompt, reply, salience, n) for n, ((prompt, reply), salience) in enumerate(pairs)]
    training = Training("document" if how == "recipe" else "default", RATE, EPOCHS)
    one_by_one = [([row], []) for _ in range(EPOCHS) for row in range(len(lessons))]

    def ready() -> Run:
        stack = ExitStack()
        stack.enter_context(worn_for_training(base, None, LoraSettings()))
        if how != "recipe":
            stack.enter_context(fast_products())

        def cycle() -> list[float]:
            with stack:
                steps = one_by_one if how == "ours" else None
                return train(base, lessons, [], training, 0, lambda _: None, lambda: False, steps=steps).curve

        return cycle

    return ready


def products_per_second(dtype: torch.dtype, clock: Callable[[], float]) -> float:
    """Operations per second of the best of thirty products of 512 tokens with an MLP matrix, by the quicker library."""
    from sleepcon.arithmetic import quick_products

    left, right = torch.randn(512, 896, dtype=dtype), torch.randn(4864, 896, dtype=dtype)
    seconds = []
    for library in (nullcontext(), quick_products(left.device)):
        with library:
            for _ in range(30):
                began = clock()
                torch.nn.functional.linear(left, right)
                seconds.append(clock() - began)
    return 2 * 512 * 896 * 4864 / min(seconds)


def peak_memory() -> int:
    """Bytes of memory that this process held at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measure(peer: str, folder: str, threads: int, clock: Callable[[], float]) -> dict:
    """One measurement of one peer, in this process."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(threads)
    how, dtype = how_and_dtype(peer)
    kinds = {"document": document, "trl": trl}
    ready = kinds[how](folder, dtype) if how in kinds else ours(folder, dtype, how)
    torch.manual_seed(0)
    ready()()
    torch.manual_seed(0)
    cycle = ready()
    began = clock()
    losses = cycle()
    seconds, peak = clock() - began, peak_memory()
    return {"seconds": seconds, "peak": peak, "losses": losses, "rate": products_per_second(getattr(torch, dtype), clock)}


def how_and_dtype(peer: str) -> tuple[str, str]:
    """The two parts of a peer's name."""
    how, _, dtype = peer.partition("-")
    return how, dtype or "float32"


# All of them


def work(peer: str) -> float:
    """Operations of a cycle's products: see the module's text."""
    from random_qwen import CONFIG as C

    layer = C.hidden_size * (2 * C.hidden_size + 2 * 64 * C.num_key_value_heads + 3 * C.intermediate_size)
    tokens = sum(LENGTHS)
    places = tokens - len(LENGTHS) * (PROMPT if peer.startswith(("ours", "batched")) else 1)
    return 4.0 * EPOCHS * (layer * C.num_hidden_layers * tokens + C.vocab_size * C.hidden_size * places)


def summary(peer: str, found: Sequence[dict]) -> dict:
    """Medians of one peer's measurements."""

    def middle(value: Callable[[dict], float]) -> float:
        return statistics.median(value(one) for one in found)

    return {
        "seconds": middle(lambda one: one["seconds"]), "all_seconds": [one["seconds"] for one in found],
        "tokens_per_second": middle(lambda one: EPOCHS * sum(LENGTHS) / one["seconds"]),
        "peak_gb": middle(lambda one: one["peak"] / 1e9), "rate": middle(lambda one: one["rate"]),
        "share": middle(lambda one: work(peer) / one["seconds"] / one["rate"]), "losses": found[0]["losses"],
    }  # fmt: skip


def show(peers: dict[str, dict]) -> None:
    """The table, on standard error: the JSON goes to standard output."""

    def times(name: str, seconds: float) -> str:
        return f"{peers[name]['seconds'] / seconds:.2f}" if name in peers else ""

    print(
        f"{'':18}{'seconds':>9}{'x document':>12}{'x TRL bf16':>12}{'tokens/s':>10}{'GB':>6}{'TFLOP/s':>9}{'share':>7}",
        file=sys.stderr,
    )
    for name, one in peers.items():
        seconds = one["seconds"]
        print(
            f"{name:18}{seconds:9.2f}{times('document', seconds):>12}{times('trl-bfloat16', seconds):>12}"
            f"{one['tokens_per_second']:10.0f}{one['peak_gb']:6.2f}{one['rate'] / 1e12:9.3f}{one['share']:7.0%}",
            file=sys.stderr,
        )


def processor() -> str:
    """The processor's name."""
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return lines[0].partition(":")[2].strip() if lines else platform.machine()


CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def main() -> None:
    """Measure all peers in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="processor: for one thread where other programs run too"
    )
    parser.add_argument(
        "--model", type=Path, default=Path(tempfile.gettempdir()) / "random-qwen", help="made when it is not there"
    )
    parser.add_argument("--out", type=Path, help="a file for the JSON too")
    parser.add_argument("--measure", choices=PEERS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure, str(asked.model), asked.threads, CLOCKS[asked.clock])))
        return
    make(asked.model)
    found: dict[str, list[dict]] = {peer: [] for peer in asked.peers}
    common = ["--model", str(asked.model), "--threads", str(asked.threads), "--clock", asked.clock]
    environment = os.environ | {"OMP_NUM_THREADS": str(asked.threads), "HF_HUB_OFFLINE": "1"}  # no network, and no bars
    for turn in range(asked.repeats):
        for peer in asked.peers[:: -1 if turn % 2 else 1]:
            command = [sys.executable, __file__, "--measure", peer, *common]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
            found[peer].append(json.loads(said.splitlines()[-1]))
            print(f"round {turn + 1}, {peer}: {found[peer][-1]['seconds']:.2f} s", file=sys.stderr, flush=True)
    peers = {peer: summary(peer, found[peer]) for peer in found}
    show(peers)
    machine = {"processor": processor(), "threads": asked.threads, "torch": torch.__version__, "clock": asked.clock}
    text = json.dumps({"machine": machine, "repeats": asked.repeats, "peers": peers}, indent=1)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
