"""A model's own chat template: how it lays out a conversation, found by rendering probes with it.

Nothing is known of any model in advance. What a probe shows: where a reply starts and which mark ends it; whether the template
puts in words that nobody said (Qwen2.5 without a system turn: "You are Qwen, ..."); whether it takes a system turn at all
(Gemma does not). What is done about it is a sentence in :attr:`Template.notes`, for the screen.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from sleepcon.errors import UserError

Turn = dict[str, str]
"""One turn of a chat: ``{"role": "system" | "user" | "assistant", "content": text}``."""

PROMPT, REPLY, SECOND = "qxprompt", "qxreply", "qxsecond"
"""What the probes say: words that no template holds."""
PLAIN = (
    "{% for turn in messages %}"
    "{% if turn['role'] == 'system' %}{{ turn['content'] + '\\n\\n' }}"
    "{% elif turn['role'] == 'user' %}{{ 'User: ' + turn['content'] + '\\n' }}"
    "{% else %}{{ 'Assistant: ' + turn['content'] + eos_token + '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""For a model without a template of its own: plain lines, and the model's end mark after a reply."""
NEXT_TURN = "\nUser:"
"""Where a reply in the plain layout has run on into the next turn."""
NOW = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
"""Where a template asks what day it is."""
TODAY = datetime(2024, 7, 26)
"""What it is told: the same prompt must stay the same prompt."""


@dataclass(frozen=True)
class Template:
    """How a conversation is laid out for one model.

    ``options``: what the template is given besides the turns. ``silence``: an empty system turn goes in front when there is no
    context, since the template would put in words of its own. ``takes_system``: the context has a turn of its own; else it goes
    in front of the first prompt. ``opening``: how the template opens a reply that is generated, and how it opens one that has
    been given, where the two differ (``<think>`` and nothing): the second is used. ``prompt``: a prompt up to where its reply
    starts. ``mark``: the token that ends a reply; ``end``: its text, and what follows it in the same turn. ``cut``: the text
    at which a generated reply is cut.
    """

    options: dict[str, Any] = field(default_factory=dict)
    silence: bool = False
    takes_system: bool = True
    opening: tuple[str, str] = ("", "")
    prompt: str = ""
    mark: int = 0
    end: tuple[str, str] = ("", "")
    cut: str = ""
    notes: tuple[str, ...] = ()


def laid_out(template: Template, turns: list[Turn]) -> list[Turn]:
    """The turns as the model's template can take them (see :class:`Template`)."""
    context, rest = (turns[0]["content"], turns[1:]) if turns[0]["role"] == "system" else ("", turns)
    if context and not template.takes_system:
        return [{"role": "user", "content": f"{context}\n\n{rest[0]['content']}"}, *rest[1:]]
    return [{"role": "system", "content": context}, *rest] if context or template.silence else rest


def render(tokenizer: PreTrainedTokenizerBase, template: Template, turns: list[Turn], reply: str | None = None) -> str:
    """The text of a conversation: up to where a reply starts, or with ``reply`` and what the template puts after it."""
    whole = laid_out(template, turns) + ([] if reply is None else [{"role": "assistant", "content": reply}])
    text = str(tokenizer.apply_chat_template(whole, tokenize=False, add_generation_prompt=reply is None, **template.options))
    generated, given = template.opening
    return text.removesuffix(generated) + given if reply is None and generated else text


def reply_text(tokenizer: PreTrainedTokenizerBase, template: Template, reply: str) -> str:
    """What the template makes of a reply after a prompt, up to its end mark."""
    text = render(tokenizer, template, [{"role": "user", "content": PROMPT}], reply)[len(template.prompt) :]
    end, after = template.end
    return text.removesuffix(after) if text.endswith(end + after) else reply + end


def study(tokenizer: PreTrainedTokenizerBase, name: str) -> Template:
    """Find out how the tokenizer's chat template lays out a conversation; give it the plain one if it has none.

    Raises ``UserError`` when the template fails on the plainest conversation, or nothing marks the end of a reply.
    """
    found = Template()
    if not tokenizer.chat_template:
        add_plain_template(tokenizer)
        found = replace(found, cut=NEXT_TURN, notes=(
            f"The model {name} has no chat template, so a conversation is laid out in plain lines: User: ..., Assistant: ...",
        ))  # fmt: skip
    try:
        found = with_options(tokenizer, found, name)
        found = with_system(tokenizer, found, name)
        return with_reply(tokenizer, found, name)
    except (TemplateError, TypeError, ValueError) as error:  # ValueError: what a probe said is not in the text
        first = (str(error).splitlines() or [""])[0]
        raise UserError(f"The chat template of the model {name} cannot be used ({first}): choose another model.") from error


def add_plain_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """Give the tokenizer the plain layout, with its mark of a beginning where it puts one itself."""
    begins = tokenizer.bos_token_id is not None and tokenizer.encode("a")[:1] == [tokenizer.bos_token_id]
    tokenizer.chat_template = ("{{ bos_token }}" if begins else "") + PLAIN


def with_options(tokenizer: PreTrainedTokenizerBase, template: Template, name: str) -> Template:
    """Settings that the template's own text asks for: no thinking aloud, and a date that stays."""
    source, notes = tokenizer.get_chat_template(), []
    options: dict[str, Any] = {}
    if "enable_thinking" in source:
        options["enable_thinking"] = False
        notes.append(f"The model {name} can think aloud before it replies; it is told not to, as its chat template provides.")
    if NOW.search(source):
        options["chat_template"] = NOW.sub(lambda found: repr(TODAY.strftime(found[2])), source)
        notes.append(f"The chat template of {name} writes today's date; it is given {TODAY:%d %B %Y} every day.")
    return replace(template, options=options, notes=(*template.notes, *notes))


def with_system(tokenizer: PreTrainedTokenizerBase, template: Template, name: str) -> Template:
    """Whether the template takes a system turn, and whether an empty one keeps out words that it puts in unasked."""
    try:
        shown = render(tokenizer, template, [{"role": "system", "content": SECOND}, {"role": "user", "content": PROMPT}])
        takes = shown.find(SECOND) in range(shown.find(PROMPT))
    except TemplateError:
        takes = False
    notes = list(template.notes)
    if not takes:
        notes.append(f"The chat template of {name} has no system turn, so a context is put in front of the first prompt.")
    template = replace(template, takes_system=takes)
    unasked, silent = put_in(tokenizer, template), replace(template, silence=True)
    if unasked and takes and len(left := put_in(tokenizer, silent)) < len(unasked):
        template = silent
        notes.append(
            f"The chat template of {name} would say {shortened(unasked)} unasked; an empty system turn keeps that out."
        )
        unasked = left
    if unasked:
        notes.append(f"The chat template of {name} puts {shortened(unasked)} in front of every conversation.")
    return replace(template, notes=tuple(notes))


def put_in(tokenizer: PreTrainedTokenizerBase, template: Template) -> list[str]:
    """Words in front of the first prompt that are neither there before a second one nor the name of the system's turn."""
    first, second = ({"role": "user", "content": text} for text in (PROMPT, SECOND))
    before = render(tokenizer, template, [first]).split(PROMPT)[0]
    between = render(tokenizer, template, [first, {"role": "assistant", "content": REPLY}, second])
    between = between[between.index(REPLY) + len(REPLY) : between.index(SECOND)]
    marks = sorted({token.content for token in tokenizer.added_tokens_decoder.values()}, key=len, reverse=True)
    words, usual = (re.sub("|".join(map(re.escape, marks)) or "$^", " ", text).split() for text in (before, between))
    while words and usual and words[-1] == usual[-1]:
        words.pop()
        usual.pop()
    return words[1:] if words and words[0].strip("#<>[]:/").lower() == "system" else words


def shortened(words: list[str]) -> str:
    """Words as a quotation of at most sixty characters or so."""
    text = " ".join(words)
    return f'"{text}"' if len(text) <= 60 else f'"{text[:60].rsplit(" ", 1)[0]} ..."'


def with_reply(tokenizer: PreTrainedTokenizerBase, template: Template, name: str) -> Template:
    """Where a reply begins and what ends it."""
    turns = [{"role": "user", "content": PROMPT}]
    prompt, whole = render(tokenizer, template, turns), render(tokenizer, template, turns, REPLY)
    place, notes = whole.index(REPLY), list(template.notes)
    if not whole.startswith(prompt):
        pairs = zip(prompt, whole[:place], strict=False)
        shared = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(prompt), place))
        template = replace(template, opening=(prompt[shared:], whole[shared:place]))
        notes.append(f"The chat template of {name} opens a reply with {shortened(prompt[shared:].split())}; that is left out.")
        prompt = render(tokenizer, template, turns)
    if not whole.startswith(prompt):
        raise ValueError("what it puts before a reply is not what it keeps before one")
    # Whatever stands between the prompt and the reply's own words has to be written by the model: it is part of the reply.
    tail, marks = whole[place + len(REPLY) :], set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for token in tokenizer.encode(tail, add_special_tokens=False):
        text = str(tokenizer.convert_ids_to_tokens(token))
        if token in marks and text in tail:
            stop = tail.index(text) + len(text)
            return replace(template, prompt=prompt, mark=token, end=(tail[:stop], tail[stop:]), notes=tuple(notes))
    if tokenizer.eos_token_id is None:
        raise UserError(f"Nothing marks the end of a reply of the model {name}: choose one whose tokenizer has an end mark.")
    notes.append(f"The chat template of {name} does not mark where a reply ends, so the tokenizer's end mark is put there.")
    return replace(template, prompt=prompt, mark=int(tokenizer.eos_token_id), end=("", tail), notes=tuple(notes))


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, template: Template, turns: list[Turn]) -> list[int]:
    """Token ids of ``turns`` up to where a reply is generated."""
    return tokenizer.encode(render(tokenizer, template, turns), add_special_tokens=False)


def reply_tokens(tokenizer: PreTrainedTokenizerBase, template: Template, reply: str) -> list[int]:
    """Token ids of a reply as they follow those of a prompt, with the mark that ends it.

    A tokenizer may write the beginning of a text otherwise than its middle, so the reply is encoded behind a prompt and what is
    the prompt's is taken off. Where it would merge the prompt's last characters with the reply's first, the prompt's tokens
    stay as they are when a reply is generated, and the reply is encoded behind something that it is not merged with.
    """
    text = reply_text(tokenizer, template, reply)
    for before in (template.prompt, "\n", "a", ""):
        first = tokenizer.encode(before, add_special_tokens=False)
        ids = tokenizer.encode(before + text, add_special_tokens=False)
        if ids[: len(first)] == first:
            break
    own = ids[len(first) :]
    return own if own[-1:] == [template.mark] else [*own, template.mark]
