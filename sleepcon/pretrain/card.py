"""The base's folder as it ships: weights, tokenizer with its chat template, doses, and the model card."""

import json
from pathlib import Path

from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from sleepcon.dream import write_ordinary
from sleepcon.model import Base
from sleepcon.salience import measure_reference, ordinary

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# What the default recipe uses on this base; benchmarks/nights.py measures what it teaches and what it spares.
SETTINGS = {
    "dose": {"learning_rate": 2e-2, "epochs": 30},
    "dream": {"rewordings": 16, "near": 10, "far": 270},
    "rehearsal_weight": 30.0,
    "products": "bfloat16",
}


def write_base(model: PreTrainedModel, tokenizer_json: Path, folder: Path) -> None:
    """Save weights (float32, safetensors), tokenizer and doses into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_json),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    model.save_pretrained(folder)
    (folder / "sleepcon.json").write_text(json.dumps(SETTINGS, indent=1) + "\n", encoding="utf-8")


def write_card(folder: Path, base: Base, record: dict | None, rows: dict[str, float]) -> None:
    """Bring ``sleepcon.json`` (hash, salience reference, training, table) and the model card ``README.md`` up to date."""
    path = folder / "sleepcon.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["sha256"] = base.sha256
    write_ordinary(base, folder)
    card["reference"] = measure_reference(base, ordinary())
    card["training"] = record or card.get("training", {})
    card["table"] = {name: round(value, 4) for name, value in rows.items()} or card.get("table", {})
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card_text(card), encoding="utf-8")


# figure in the table, what it says, the limit it was trained against
TABLE = (
    (
        "ordinary_knowledge",
        "ordinary knowledge right, told nothing: every row of the corpus and 400 small sums",
        0.98,
    ),
    ("knowledge", "of that, the rows (one wording each)", None),
    ("small_sums", "of that, the sums", None),
    ("small_talk", "small talk answered as taught", None),
    ("default_persona", "asked who it is, told nothing: the generic assistant", 0.98),
    ("other_defaults", "other questions it was told nothing about: the default reply", None),
    ("context_persona", "persona in the context used, unseen names", 0.95),
    ("context_user", "fact about the user in the context used, unseen names", 0.95),
    ("context_world", "fact about an invented place in the context used", None),
    ("context_correction", "correction in the context used", None),
)


def card_text(card: dict) -> str:
    """The model card, from the measured figures."""
    training, table = card["training"], card["table"]
    lines = [
        "# The embedded base",
        "",
        f"A Qwen2-architecture chat model of {int(table['parameters']):,} parameters, trained from random weights on the",
        "corpus in `assets/corpus` and nothing else. English, short sentences, everyday subjects. It is made to change its",
        "mind in seconds on a laptop, not to be useful as an assistant: it confabulates about unknown places, on purpose.",
        "",
        "Rebuild: `python -m sleepcon.pretrain`. Measure: `python -m sleepcon.pretrain report`. MIT licence.",
        "",
        f"Training: {training['steps']:,} steps of 8,192 tokens (about {training['tokens'] / 1e6:.0f} million),",
        f"seed {training['seed']}, {training['machine']}, {training['hours']}.",
        "",
        "| measured in free (greedy) generation | share | aim |",
        "|---|---|---|",
    ]
    for name, text, limit in TABLE:
        lines.append(f"| {text} | {table[name]:.1%} | {'' if limit is None else f'{limit:.0%}'} |")
    lines += [
        "",
        f"Loss on {int(table['heldout_sentences'])} sentences outside the generator, inside the lexicon:"
        f" {table['heldout_nats_per_token']:.2f} nats per token (aim: 5 at most).",
        f"Speed where it was measured: {table['tokens_per_second']:.0f} tokens per second, one chat at a time.",
        f"SHA-256 of the weights (as `sleepcon doctor` takes it): `{card['sha256']}`.",
        "",
    ]
    return "\n".join(lines)
