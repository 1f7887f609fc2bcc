"""``sleepcon doctor``: what is installed, whether the base is whole, and whether a reply comes out."""

import platform
import time
from importlib.metadata import version

import torch

from sleepcon.adapter import LoraSettings, remarks, targets_of
from sleepcon.errors import UserError
from sleepcon.model import chat, generate, load_base
from sleepcon.placement import best_device, processor_has_bfloat16

LIBRARIES = ("torch", "transformers", "peft", "safetensors", "streamlit", "plotly", "huey")


def examine(model: str) -> dict:
    """Versions, hash of the base against its card, and a timed reply. ``ok`` says whether all is well."""
    versions = {name: version(name) for name in LIBRARIES}
    result: dict = {
        "python": platform.python_version(), "machine": platform.machine(), "threads": torch.get_num_threads(),
        "cuda": torch.cuda.is_available(), "versions": versions, "model": model,
    }  # fmt: skip
    gpu = {"cuda": "a GPU", "mps": "a GPU of Apple's"}.get(best_device(), "no GPU")
    half = "bfloat16" if processor_has_bfloat16() else "no bfloat16"
    lines = [f"python {result['python']} on {result['machine']}, {result['threads']} threads, {gpu}, {half} on the processor"]
    lines += [f"{name} {number}" for name, number in versions.items()]
    try:
        base = load_base(model)
        result["targets"], result["remarks"] = list(targets_of(base, LoraSettings())), remarks(base)
    except UserError as error:
        return result | {"ok": False, "lines": [*lines, f"NO  {error}"]}
    # A card states the hash of the weights in float32.
    stated = base.card.get("sha256") if base.dtype == "float32" else None
    result["base_sha256"], result["base_sha256_stated"] = base.sha256, stated
    result["parameters"], result["dtype"], result["device"] = base.parameters, base.dtype, str(base.model.device)
    whole = stated in (None, base.sha256)
    lines += [f"    {text}" for text in result["remarks"]]
    lines.append(f"{'ok' if whole else 'NO'}  base {model}: SHA-256 {base.sha256[:16]}"
                 + ("" if whole else f", but its card states {str(stated)[:16]}: install it again"))  # fmt: skip
    began = time.perf_counter()
    result["reply"] = generate(base, [chat("What is the capital of France?")])[0]
    result["reply_seconds"] = time.perf_counter() - began
    spoke = bool(result["reply"].strip())
    lines.append(f"{'ok' if spoke else 'NO'}  it answers in {result['reply_seconds']:.2f} s: {result['reply']}")
    return result | {"ok": whole and spoke, "lines": lines}
