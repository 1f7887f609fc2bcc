"""Where things live: the shipped assets, and the user's home for brains."""

import os
import re
from pathlib import Path

from sleepcon.errors import UserError

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
# An editable install finds assets beside the package; a wheel carries them inside it.
ASSETS = ROOT / "assets" if (ROOT / "assets").is_dir() else PACKAGE / "assets"
EMBEDDED = ASSETS / "base"
DOCUMENT = ASSETS / "document" / "experiences.jsonl"
PROBES = ASSETS / "probes"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def home(given: str | Path | None = None) -> Path:
    """The folder that holds brains: ``given``, else ``SLEEPCON_HOME``, else ``~/.sleepcon``."""
    return Path(given or os.environ.get("SLEEPCON_HOME") or Path.home() / ".sleepcon").expanduser()


def offline_unless_asked(model: str | None) -> None:
    """Keep Hugging Face's libraries from reaching out unless ``model`` is a hub name; to be called before they are imported."""
    if model in (None, "embedded") or os.path.isdir(model):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def brain_folder(name: str, given: str | Path | None = None) -> Path:
    """The folder of the brain ``name`` under ``home(given)``; raises ``UserError`` for a name that cannot be a folder's."""
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot be the name of a brain: use letters, digits, dots, dashes and underscores.")
    return home(given) / name
