"""What the corpus must not contain: the names and replies that a night is to teach.

The rule: no held-out word at all, no run of eight words shared with a taught reply, and no taught reply of fewer than
eight words whole. The generator drops a conversation that breaks it, and a test checks a fresh corpus.
"""

import json
import re
from pathlib import Path

RUN = 8
WORDS = frozenset({"sage", "zxyzzy"})
WORD = re.compile(r"[a-z0-9]+")


def words_of(text: str) -> list[str]:
    """Lower-case words of ``text``; apostrophes join ("don't" is "dont")."""
    return WORD.findall(text.lower().replace("'", "").replace("\u2019", ""))


def taught_replies(assets: Path) -> list[str]:
    """Every reply that a probe set teaches, and the document's five."""
    replies = []
    for path in sorted((assets / "probes").glob("*.json")):
        nights = json.loads(path.read_text(encoding="utf-8")).get("nights", [])
        replies += [experience["response"] for night in nights for experience in night["experiences"]]
    for line in (assets / "document/experiences.jsonl").read_text(encoding="utf-8").splitlines():
        replies.append(json.loads(line)["response"])
    return replies


class HeldOut:
    """Answers whether a text breaks the rule above."""

    def __init__(self, replies: list[str]):
        self.runs: dict[int, set[tuple[str, ...]]] = {}
        for reply in replies:
            words = words_of(reply)
            size = min(RUN, len(words))
            for start in range(len(words) - size + 1):
                self.runs.setdefault(size, set()).add(tuple(words[start : start + size]))

    def broken_by(self, text: str) -> bool:
        """True when ``text`` holds a held-out word, or a run of words that it must not."""
        words = words_of(text)
        if not WORDS.isdisjoint(words):
            return True
        return any(
            tuple(words[start : start + size]) in runs
            for size, runs in self.runs.items()
            for start in range(len(words) - size + 1)
        )
