"""``sleepcon doctor``: what is installed, whether the base is whole, and whether a reply comes out."""

import platform
import time
from importlib.metadata import version

import torch

from sleepcon.errors import UserError
from sleepcon.model import chat, generate, load_base

LIBRARIES = ("torch", "transformers", "peft", "safetensors", "streamlit", "plotly", "huey")


def examine(model: str) -> dict:
    """Versions, hash of the base against its card, and a timed reply. ``ok`` says whether all is well."""
    versions = {name: version(name) for name in LIBRARIES}
    result: dict = {
        "python": platform.python_version(), "machine": platform.machine(), "threads": torch.get_num_threads(),
        "cuda": torch.cuda.is_available(), "versions": versions, "model": model,
    }  # fmt: skip
    gpu = "a GPU" if result["cuda"] else "no GPU"
    lines = [f"python {result['python']} on {result['machine']}, {result['threads']} threads, {gpu}"]
    lines += [f"{name} {number}" for name, number in versions.items()]
    try:
        base = load_base(model)
    except UserError as error:
        return result | {"ok": False, "lines": [*lines, f"NO  {error}"]}
    stated = base.card.get("sha256")
    result["base_sha256"], result["base_sha256_stated"] = base.sha256, stated
    result["parameters"] = sum(parameter.numel() for parameter in base.model.parameters())
    whole = stated in (None, base.sha256)
    lines.append(f"{'ok' if whole else 'NO'}  base {model}: {result['parameters']:,} parameters, SHA-256 {base.sha256[:16]}"
                 + ("" if whole else f", but its card states {str(stated)[:16]}: install it again"))  # fmt: skip
    began = time.perf_counter()
    result["reply"] = generate(base, [chat("What is the capital of France?")])[0]
    result["reply_seconds"] = time.perf_counter() - began
    spoke = bool(result["reply"].strip())
    lines.append(f"{'ok' if spoke else 'NO'}  it answers in {result['reply_seconds']:.2f} s: {result['reply']}")
    return result | {"ok": whole and spoke, "lines": lines}
