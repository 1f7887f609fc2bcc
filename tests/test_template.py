"""Chat templates as models define them: what is rendered, what a reply's tokens are, and what is said about it."""

import importlib.util
import re
from pathlib import Path

import families
import pytest

from sleepcon.errors import UserError
from sleepcon.model import chat, load_base, prompt_ids, reply_ids
from sleepcon.template import NEXT_TURN, prompt_tokens, render, reply_tokens, study

CHATS = {
    "plain": chat("What is that?"),
    "context": chat("Who are you?", "You are Orlo."),
    "earlier": chat("And then?", "You are Orlo.", [("One?", "Two."), ("Three?", "Four.")]),
}
REPLIES = ["Yes.", "I do not know. Thanks for asking!", "Été 3!\nNew line", "No", "{% if %} </think>"]
FOLDED = ("no system", "deaf")
"""Templates without a system turn."""
MARK = re.compile(r"<[|｜][^>'\"{} ]+?[|｜]>|<(?:start|end)_of_turn>|<turn\|>|<\|turn>|\[/?INST\]|</?think>")
"""A special token in a published template."""
UNMARKED = ("deaf",)
"""Templates that mark no end of a reply."""


def as_the_template_takes_them(name: str, turns: list[dict]) -> list[dict]:
    """The turns that go into the model's template, by hand."""
    if turns[0]["role"] == "user":
        return [{"role": "system", "content": ""}, *turns] if name == "default system" else turns
    if name in FOLDED:
        return [{"role": "user", "content": f"You are Orlo.\n\n{turns[1]['content']}"}, *turns[2:]]
    return turns


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece"])
@pytest.mark.parametrize("name", families.TEMPLATES)
def test_prompt_and_reply_are_the_tokens_of_the_whole_conversation(name, kind):
    tokenizer = families.tokenizer(name, kind)
    template = study(tokenizer, "it")
    options = {"enable_thinking": False} if name == "thinking" else template.options if name == "dated" else {}
    for number, turns in CHATS.items():
        for reply in REPLIES:
            whole = [*as_the_template_takes_them(name, turns), {"role": "assistant", "content": reply}]
            text = tokenizer.apply_chat_template(whole, tokenize=False, **options)
            ids = prompt_tokens(tokenizer, template, turns) + reply_tokens(tokenizer, template, reply)
            if name == "late system" and number != "plain":  # such a template drops the context once there is a reply
                text = text.replace("[INST]" + turns[-1]["content"], "[INST]You are Orlo.\n\n" + turns[-1]["content"])
            wanted = tokenizer.encode(text, add_special_tokens=False)
            if name in UNMARKED:
                wanted = [*tokenizer.encode(text.rstrip("\n"), add_special_tokens=False), tokenizer.eos_token_id]
            assert ids == wanted[: len(ids)], (number, reply)
            rest = tokenizer.decode(wanted[len(ids) :]).replace("</s>", "").strip()
            assert rest == "", "nothing but what a template puts after the mark is left out"
            assert ids[-1] == template.mark


def published() -> list[Path]:
    """The chat templates of many models that TRL ships, where it is installed; those that want pictures left out."""
    found = importlib.util.find_spec("trl")
    folder = Path(found.origin).parent / "chat_templates" if found and found.origin else Path("nowhere")
    return [path for path in sorted(folder.glob("*.jinja")) if not re.match("idefics|llava|smolvlm", path.stem)]


@pytest.mark.skipif(not published(), reason="TRL is not installed, and its chat templates are not here")
@pytest.mark.parametrize("path", published(), ids=lambda path: path.stem)
def test_published_templates_give_the_tokens_of_the_whole_conversation(path):
    tokenizer = families.tokenizer("chatml")
    source = path.read_text(encoding="utf-8")
    tokenizer.add_special_tokens({"additional_special_tokens": sorted(set(MARK.findall(source)))})
    tokenizer.chat_template = source
    template = study(tokenizer, "it")
    for turns in CHATS.values():
        ids = prompt_tokens(tokenizer, template, turns)
        assert "Orlo" in tokenizer.decode(ids) or turns is CHATS["plain"]
        ids += reply_tokens(tokenizer, template, "I do not know.\nOr do I?")
        whole = tokenizer.encode(render(tokenizer, template, turns, "I do not know.\nOr do I?"), add_special_tokens=False)
        assert ids[:-1] == whole[: len(ids) - 1]
        assert ids[-1] == template.mark


@pytest.mark.parametrize("name", families.TEMPLATES)
def test_the_mark_is_the_templates_own(name):
    tokenizer = families.tokenizer(name)
    marks = {"no system": "<end_of_turn>", "dated": "<|eot_id|>", "two marks": "<|end|>"}
    marks |= dict.fromkeys(("chatml", "default system", "thinking", "thought"), "<|im_end|>")
    assert tokenizer.convert_ids_to_tokens(study(tokenizer, "it").mark) == marks.get(name, "</s>")


def test_where_a_tokenizer_would_merge_prompt_and_reply_the_prompt_stays_as_it_was():
    tokenizer = families.tokenizer("none", "uncut")
    template = study(tokenizer, "it")
    prompt, reply = prompt_tokens(tokenizer, template, CHATS["plain"]), reply_tokens(tokenizer, template, "Yes.")
    text = render(tokenizer, template, CHATS["plain"], "Yes.")
    whole = tokenizer.encode(text, add_special_tokens=False)
    assert whole[: len(prompt)] != prompt, "this tokenizer merges across the border"
    assert prompt == tokenizer.encode("User: What is that?\nAssistant:", add_special_tokens=False)
    assert tokenizer.decode(prompt + reply) == text.rstrip("\n")


def test_no_system_prompt_is_slipped_in():
    tokenizer = families.tokenizer("default system")
    assert "Qwen" in tokenizer.apply_chat_template(chat("Hi"), tokenize=False), "left alone, the template does it"
    template = study(tokenizer, "it")
    for turns in CHATS.values():
        assert "Qwen" not in render(tokenizer, template, turns)
    assert render(tokenizer, template, chat("Hi")).startswith("<|im_start|>system\n<|im_end|>\n<|im_start|>user\nHi<|im_end|>")
    assert template.notes == (
        'The chat template of it would say "You are Qwen, created by Alibaba Cloud. You are a helpful ..." unasked; an empty'
        " system turn keeps that out.",
    )


def test_what_cannot_be_kept_out_is_said_and_does_not_change_from_day_to_day():
    tokenizer = families.tokenizer("dated")
    template = study(tokenizer, "it")
    assert "Today Date: 26 Jul 2024" in render(tokenizer, template, chat("Hi"))
    assert [note for note in template.notes if '"Today Date: 26 Jul 2024" in front of every conversation' in note]
    assert [note for note in template.notes if "it is given 26 July 2024 every day" in note]


@pytest.mark.parametrize("name", ["chatml", "two marks", "unmarked start", "bracketed", "late system"])
def test_of_a_template_that_adds_nothing_nothing_is_said(name):
    template = study(families.tokenizer(name), "it")
    assert template.notes == ()
    assert not template.silence


@pytest.mark.parametrize("name", FOLDED)
def test_without_a_system_turn_the_context_goes_in_front_of_the_first_prompt(name):
    tokenizer = families.tokenizer(name)
    template = study(tokenizer, "it")
    text = render(tokenizer, template, CHATS["earlier"])
    assert text.count("You are Orlo.\n\nOne?") == text.count("Orlo") == 1
    assert "has no system turn" in template.notes[0]


def test_a_thought_that_would_open_each_reply_is_left_out_and_said():
    tokenizer = families.tokenizer("thought")
    template = study(tokenizer, "it")
    assert render(tokenizer, template, chat("Hi")).endswith("<|im_start|>assistant\n")
    assert 'opens a reply with "<think>"' in template.notes[0]
    thinking = study(families.tokenizer("thinking"), "it")
    assert "told not to" in thinking.notes[0]


def test_a_model_without_a_template_gets_plain_lines():
    tokenizer = families.tokenizer("none")
    template = study(tokenizer, "it")
    text = render(tokenizer, template, CHATS["earlier"], "Six.")
    assert text == (
        "You are Orlo.\n\nUser: One?\nAssistant: Two.</s>\nUser: Three?\nAssistant: Four.</s>\n"
        "User: And then?\nAssistant: Six.</s>\n"
    )
    assert template.cut == NEXT_TURN
    assert "has no chat template" in template.notes[0]


def test_the_plain_lines_begin_as_the_tokenizer_begins_a_text():
    tokenizer = families.tokenizer("none")
    tokenizer.backend_tokenizer.post_processor = families.beginning("<s>", 1)
    assert render(tokenizer, study(tokenizer, "it"), chat("Hi")) == "<s>User: Hi\nAssistant:"


@pytest.mark.parametrize(
    "source",
    ["{% for turn in messages %}", "{{ raise_exception('no') }}", "{{ bos_token }}", "{{ messages[0].content.nothing() }}",
     "{% for turn in messages if turn.role != 'assistant' %}{{ turn.content }}{% endfor %}"],
)  # fmt: skip
def test_a_template_that_cannot_be_used_is_one_sentence(source):
    tokenizer = families.tokenizer("chatml")
    tokenizer.chat_template = source
    with pytest.raises(UserError, match="chat template of the model it cannot be used") as error:
        study(tokenizer, "it")
    assert "\n" not in str(error.value)


def test_a_model_without_any_end_mark_is_refused():
    tokenizer = families.tokenizer("deaf")
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="Nothing marks the end of a reply of the model it"):
        study(tokenizer, "it")


def test_the_embedded_base_reads_what_it_always_read():
    base = load_base()
    assert base.template.notes == ()
    for reply in REPLIES[:4]:
        assert reply_ids(base, reply) == [*base.tokenizer.encode(reply), base.tokenizer.eos_token_id]
    text = base.tokenizer.apply_chat_template(CHATS["earlier"], tokenize=False, add_generation_prompt=True)
    assert prompt_ids(base, CHATS["earlier"]) == base.tokenizer.encode(text)
