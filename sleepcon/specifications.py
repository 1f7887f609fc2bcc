"""What this installation is made of, measured from the objects that it loaded and the files that it wrote; nothing is typed.

    facts = measure(brain)
    facts["base"]["parameters"], facts["lora"]["parameters"], facts["files"]

The brain and its base are only read; what has to be tried out is tried on an adapter that is thrown away.
"""

import math
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sleepcon import adapter, arithmetic, sleep
from sleepcon.adapter import LoraSettings
from sleepcon.brain import Brain
from sleepcon.dream import Lesson
from sleepcon.experience import read_experiences
from sleepcon.model import Base, base_weights
from sleepcon.paths import DOCUMENT
from sleepcon.sleep import Event, Stopped, Training

LIBRARIES = ("torch", "transformers", "peft", "streamlit")
SCALES = (1.0, 0.5, 0.1)
"""What every salience is multiplied by, to see whether the weights change less."""
PASSED = 0.6
CPUINFO = Path("/proc/cpuinfo")


def run(brain: Brain, arguments: dict, on_event: Callable[[Event], None], should_stop: Callable[[], bool]) -> dict:
    """:func:`measure` as a job."""

    def halt_if_asked() -> None:
        if should_stop():
            raise Stopped()

    return measure(brain, halt_if_asked)


def measure(brain: Brain, halt_if_asked: Callable[[], None] = lambda: None) -> dict:
    """Sizes of base and adapter, bytes on disk, the effect of a uniform scale, versions and machine; JSON types.

    ``worn``: the adapter of the brain's last night (``None``: no night was kept). ``scaled``: for each of ``SCALES`` the norm
    of the change that the document's recipe makes when all saliences are multiplied by it.
    """
    base = brain.base
    facts = {"base": base_facts(base)} | fresh_adapter(base)
    facts["worn"] = worn_adapter(brain)
    facts["scaled"] = []
    for scale in SCALES:
        halt_if_asked()
        facts["scaled"].append({"scale": scale, "change": change_when_scaled(base, scale)})
    facts["versions"] = {name: version(name) for name in LIBRARIES}
    facts["machine"] = {
        "python": platform.python_version(), "processor": processor(), "processors": os.cpu_count(),
        "threads": torch.get_num_threads(), "device": str(base.model.device),
    }  # fmt: skip
    return facts


def base_facts(base: Base) -> dict:
    """Size and shape of the loaded base."""
    weights, config = [tensor for _, tensor in base_weights(base.model)], base.model.config
    return {
        "name": base.name, "sha256": base.sha256, "parameters": sum(tensor.numel() for tensor in weights),
        "layers": config.num_hidden_layers, "hidden": config.hidden_size, "vocabulary": config.vocab_size,
        "type": base.dtype, "products": "bfloat16" if arithmetic.rounds(base) else base.dtype,
    }  # fmt: skip


def fresh_adapter(base: Base) -> dict:
    """``lora``: the adapter of one night as PEFT made it, and its size; ``files``: what it weighs on disk, in bytes."""
    settings = LoraSettings()
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        with adapter.worn_for_training(base, None, settings) as peft:
            config: Any = peft.peft_config[adapter.NIGHT]
            lora = {
                "rank": config.r, "alpha": config.lora_alpha, "dropout": config.lora_dropout,
                "targets": sorted(config.target_modules), "task": str(getattr(config.task_type, "value", config.task_type)),
                "modules": len(list(adapter.lora_layers(base))),
                "parameters": sum(one.numel() for one in peft.parameters() if one.requires_grad),
            }  # fmt: skip
            adapter.save(peft, adapter.NIGHT, Path(folder) / "adapter")
        return {"lora": lora, "files": sizes(Path(folder) / "adapter")}


def worn_adapter(brain: Brain) -> dict | None:
    """The adapter that the brain wears after its last night: all nights side by side, so its rank grows with them."""
    folder = brain.adapter_after(None)
    if folder is None:
        return None
    with adapter.worn(brain.base, folder):
        layers = list(adapter.lora_layers(brain.base))
        parameters = sum(one.numel() for name, one in brain.base.model.named_parameters() if "lora_" in name)
        rank = layers[0][1].r[adapter.PAST]
    return {"cycle": int(folder.name), "rank": rank, "parameters": parameters, "files": sizes(folder)}


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file in a folder, by name."""
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}


def change_when_scaled(base: Base, scale: float) -> float:
    """Norm (Frobenius, over all modules) of what the document's recipe changes on its three exchanges, from seed 0.

    Each loss is multiplied by its salience times ``scale``. The adapter is thrown away.
    """
    day = [one for one in read_experiences(DOCUMENT) if (one.salience or 0.0) >= PASSED]
    lessons = [Lesson(one.prompt, one.response, scale * (one.salience or 0.0), place) for place, one in enumerate(day)]
    training = Training("document", sleep.DOCUMENT_LEARNING_RATE, sleep.DOCUMENT_EPOCHS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with adapter.worn_for_training(base, None, LoraSettings()):
            sleep.train(base, lessons, [], training, 0, lambda _: None, lambda: False)
            return math.sqrt(sum(squares(base)))


@torch.no_grad()
def squares(base: Base) -> Sequence[float]:
    """Squared norm of the change of each wrapped module."""
    deltas = [layer.get_delta_weight(name) for _, layer in adapter.lora_layers(base) for name in layer.active_adapters]
    return [float(delta.square().sum()) for delta in deltas]


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
