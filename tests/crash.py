"""Sleeps in one brain for each kind of death, and dies: ``python crash.py MODEL KIND HOME [KIND HOME ...]``.

Everything is loaded once; each night then runs in a fork that kills itself with SIGKILL. Prints one line for each kind
with the signal that ended it. Started by test_crash.py.
"""

import os
import signal
import sys
from pathlib import Path

import torch

from sleepcon import adapter, wake
from sleepcon.brain import Brain
from sleepcon.ledger import Ledger
from sleepcon.memory import Memory
from sleepcon.model import load_base

TINY_NIGHT = {"learning_rate": 1e-3, "epochs": 3}
SHORT = ["Hello!", "Good night."]


def die(*_: object, **__: object) -> None:
    """End this process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(function):
    """``function``, and death at once when it is done."""

    def wrapped(*arguments):
        function(*arguments)
        die()

    return wrapped


def gentle_wake() -> None:
    """Every night is kept, and asks little."""
    gates = wake.Gates(0.0, 1.0, 1.0)
    wake.Gates, wake.REPLY_TOKENS, wake.ordinary_prompts = lambda: gates, 8, lambda: SHORT


def night(home: Path, base, kind: str) -> None:
    """A night that dies: in training, while the adapter is written or after, around the rename, in the ledger, or done."""

    def watch(event) -> None:
        if (kind, event.stage, event.step) in {("train", "train", 2), ("wake", "wake", None), ("done", "done", None)}:
            die()

    if kind == "writing":
        adapter.flush = die
    elif kind == "part":
        adapter.save = dying_after(adapter.save)
    elif kind == "rename":
        Ledger.enter = die
    elif kind == "row":
        Ledger.enter = dying_after(Ledger.enter)
    elif kind == "marks":
        Memory.mark_consolidated = dying_after(Memory.mark_consolidated)
    Brain.open("b", home=home, base=base).sleep(seed=1, on_event=watch, **TINY_NIGHT)


def main() -> None:
    """See the module's text."""
    torch.set_num_threads(1)
    gentle_wake()
    model, *rest = sys.argv[1:]
    base = load_base(model)
    for kind, home in zip(rest[::2], rest[1::2], strict=True):
        child = os.fork()
        if child == 0:
            try:
                night(Path(home), base, kind)
            finally:
                os._exit(9)
        _, status = os.waitpid(child, 0)
        print(kind, os.WTERMSIG(status) if os.WIFSIGNALED(status) else f"ended with {os.WEXITSTATUS(status)}", flush=True)


if __name__ == "__main__":
    main()
