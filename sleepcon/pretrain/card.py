"""The base's folder as it ships: weights, tokenizer with its chat template, doses, and the model card."""

import json
from pathlib import Path

from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

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
# What the default recipe uses on this base; measured in benchmarks/dose.py.
DOSE = {"learning_rate": 1.5e-2, "epochs": 40}


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
    (folder / "sleepcon.json").write_text(json.dumps({"dose": DOSE}, indent=1) + "\n", encoding="utf-8")


def write_card(folder: Path, base: Base, record: dict | None, rows: dict[str, float]) -> None:
    """Bring ``sleepcon.json`` up to date: hash, salience reference, how the base was trained and its table."""
    path = folder / "sleepcon.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["sha256"] = base.sha256
    card["reference"] = measure_reference(base, ordinary())
    card["training"] = record or card.get("training", {})
    card["table"] = {name: round(value, 4) for name, value in rows.items()} or card.get("table", {})
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
