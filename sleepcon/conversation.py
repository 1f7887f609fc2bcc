"""Talking with a brain that is awake: its reply, with the talk so far in context, and the salience of the exchange."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from sleepcon import adapter
from sleepcon.brain import Brain
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import Base, Turn, chat, generate, prompt_ids
from sleepcon.sleep import Event

EARLIER = 4
"""Exchanges that stay in context, at most; fewer when they are long."""
REPLY_TOKENS = 64


def say(brain: Brain, arguments: dict, on_event: Callable[[Event], None], should_stop: Callable[[], bool]) -> dict:
    """Reply to ``prompt`` after the ``earlier`` (prompt, reply) pairs, and score the exchange; nothing is stored. JSON types.

    ``factors``: SNARC's five, each with value, evidence and estimated; empty when the brain said nothing.
    """
    prompt = arguments["prompt"]
    if not prompt.strip():
        raise UserError("There is nothing to reply to: write a sentence.")
    with adapter.worn(brain.base, brain.adapter_after(None)):
        turns = fitting(brain.base, prompt, [(asked, said) for asked, said in arguments.get("earlier", [])])
        reply = generate(brain.base, [turns], REPLY_TOKENS)[0]
    factors = asdict(brain.score([Experience(prompt, reply)])[0]) if reply.strip() else {}
    return {"prompt": prompt, "reply": reply, "factors": factors, "earlier": len(turns) // 2, "cycle": len(brain.history())}


def fitting(base: Base, prompt: str, earlier: Sequence[tuple[str, str]]) -> list[Turn]:
    """A chat with the last of the earlier exchanges: at most ``EARLIER``, and as many as the base's window takes."""
    window = base.model.config.max_position_embeddings - REPLY_TOKENS
    for count in range(min(EARLIER, len(earlier)), 0, -1):
        turns = chat(prompt, earlier=earlier[-count:])
        if len(prompt_ids(base, turns)) <= window:
            return turns
    return chat(prompt)
