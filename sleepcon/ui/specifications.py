"""The page of technical specifications: the document's figures beside those of this installation, as rows of text."""

from dataclasses import dataclass

from sleepcon import documented
from sleepcon.architecture import QWEN
from sleepcon.ui import state
from sleepcon.ui.state import Field

WEIGHTS_FILE = "adapter_model.safetensors"
"""The file of an adapter's weights, by PEFT's name for it (``sleepcon.adapter`` has the same, but brings torch)."""
Row = tuple[str, str, str]
"""What it is, what the document says, what is so here."""

OUR_LOSS = """\
losses = cross_entropy(logits, labels)  # one a reply
loss = (w * losses).sum() / w.sum()     # w: saliences
loss.backward()"""
"""What ``sleep.train`` does with the taught replies of a step, in short."""


def twentieths(name: str, default: float, high: float) -> Field:
    """A field that holds a number from 0 to ``high``, in steps of .05."""

    def read(text: str) -> float:
        value = float(text)
        if value != value:
            raise ValueError("not a number")
        return round(min(max(value, 0.0), high) * 20) / 20

    return state.Field(name, lambda: default, read, lambda value: f"{value:.2f}")


LOSSES = (twentieths("loss1", 4.0, 10.0), twentieths("loss2", 2.0, 10.0))
SALIENCES = (twentieths("salience1", 0.85, 1.0), twentieths("salience2", 0.35, 1.0))


@dataclass(frozen=True)
class Weighted:
    """Two losses weighed by two saliences. ``mean``: what one of our steps descends; ``steps``: the document's two losses."""

    mean: float
    plain: float
    shares: tuple[float, float]
    steps: tuple[float, float]


def weighted(losses: tuple[float, float], saliences: tuple[float, float]) -> Weighted:
    """Worked out; with both saliences 0 they count alike, as in training."""
    total = sum(saliences)
    shares = (saliences[0] / total, saliences[1] / total) if total else (0.5, 0.5)
    mean = shares[0] * losses[0] + shares[1] * losses[1]
    return Weighted(mean, sum(losses) / 2, shares, (losses[0] * saliences[0], losses[1] * saliences[1]))


def documents_configuration() -> str:
    """The document's LoRA configuration as code."""
    targets = ", ".join(f'"{name}"' for name in documented.TARGETS)
    return (
        f"LoraConfig(\n    r={documented.RANK},\n    lora_alpha={documented.ALPHA},\n    target_modules=[{targets}],\n"
        f"    lora_dropout={documented.DROPOUT},\n    task_type=TaskType.{documented.TASK},\n)"
    )


def lora_rows(lora: dict) -> list[Row]:
    """The configuration, row by row; ``lora`` as ``specifications.measure`` has it."""
    return [
        ("rank r", str(documented.RANK), str(lora["rank"])),
        ("lora_alpha", str(documented.ALPHA), str(lora["alpha"])),
        ("lora_dropout", str(documented.DROPOUT), str(lora["dropout"])),
        ("modules", ", ".join(documented.TARGETS), ", ".join(lora["targets"])),
        ("task", documented.TASK, lora["task"]),
    ]


def size_rows(facts: dict) -> list[Row]:
    """Parameters and bytes; ``facts`` as ``specifications.measure`` has them."""
    base, lora = facts["base"], facts["lora"]
    files = facts["files"]
    said = documented.ADAPTER_PARAMETERS / (documented.BASE_PARAMETERS + documented.ADAPTER_PARAMETERS)
    name = "embedded base" if base["name"] == "embedded" else base["name"].rsplit("/", 1)[-1]
    return [
        ("base model", QWEN.name, name),
        ("parameters of the base", f"{documented.BASE_PARAMETERS:,}", f"{base['parameters']:,}"),
        ("parameters of one night's adapter", f"{documented.ADAPTER_PARAMETERS:,}", f"{lora['parameters']:,}"),
        ("share of the adapter", f"{said:.2%}", f"{lora['parameters'] / (base['parameters'] + lora['parameters']):.2%}"),
        ("weights of the adapter on disk", f"{documented.ADAPTER_MEGABYTES} MB", megabytes(files[WEIGHTS_FILE])),
        ("checkpoint on disk", f"about {documented.MEGABYTES_PER_CHECKPOINT} MB", megabytes(sum(files.values()))),
    ]


def night_rows(night: dict) -> list[Row]:
    """Time and steps of a night; ``night`` is a row of the ledger."""
    steps = len(night["curve"])
    each = f"{1000 * night['training_seconds'] / steps:.0f} ms" if steps else "none"
    return [
        ("seconds per cycle", f"about {documented.SECONDS_PER_CYCLE}", f"{night['seconds']:.1f}"),
        ("of these in training", "not given", f"{night['training_seconds']:.1f}"),
        ("training steps", "not given", str(steps)),
        ("one step", "not given", each),
    ]


def machine_rows(facts: dict) -> list[tuple[str, str]]:
    """Versions and machine."""
    machine, base = facts["machine"], facts["base"]
    return [
        ("processor", machine["processor"]),
        ("processors, threads in use", f"{machine['processors']}, {machine['threads']}"),
        ("device and type of number", f"{machine['device']}, {base['type']}"),
        ("a night's products of matrices", base["products"]),
        ("Python", machine["python"]),
        *((name, number) for name, number in facts["versions"].items()),
        ("layers, width and vocabulary of the base", f"{base['layers']}, {base['hidden']}, {base['vocabulary']:,}"),
        ("SHA-256 of the base", base["sha256"][:16]),
    ]


def worn_sentence(worn: dict) -> str:
    """What the nights so far have made of the adapter."""
    return (
        f"After night {worn['cycle']} the brain wears one adapter of rank {worn['rank']} with {worn['parameters']:,} "
        f"parameters, {megabytes(sum(worn['files'].values()))} on disk. Nights are joined side by side and not averaged, so "
        "the rank grows with each night that is kept."
    )


def megabytes(size: int) -> str:
    """Bytes as megabytes, or as kilobytes when that reads better."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def shares(replies: list[dict]) -> tuple[list[float], list[float]]:
    """For each reply of a night its part of all salience, and its part of the gradient; both sum to 1."""
    total = sum(reply["salience"] for reply in replies)
    even = 1 / len(replies)
    return [reply["salience"] / total if total else even for reply in replies], [reply["share"] for reply in replies]


def ratio(values: list[float]) -> float | None:
    """The largest over the smallest; ``None`` when there is nothing to compare."""
    return max(values) / min(values) if values and min(values) > 0 else None
