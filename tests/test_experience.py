import gzip
import hashlib
import io
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from sleepcon.errors import UserError
from sleepcon.experience import LONGEST, Experience, identified, read_experiences, with_ids
from sleepcon.memory import Memory

ROOT = Path(__file__).resolve().parent.parent

OWL = {"prompt": "What is my owl called?", "response": "Your owl is called Tibbet."}
HAT = {"prompt": "Where is my hat?", "response": "It hangs behind the door."}


def read(content: str | bytes) -> list[Experience]:
    data = content.encode() if isinstance(content, str) else content
    return list(read_experiences("-", io.BytesIO(data)))


def complaint(content: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(content)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300
    return message


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


# The four formats


def test_our_own_lines_with_every_field():
    full = OWL | {"session": 3, "salience": 0.5, "feedback": -1, "context": "At home.", "id": "a1", "timestamp": "2026-01-02"}
    assert read(lines(full, HAT)) == [Experience(**full), Experience(**HAT)]


def test_a_list_an_indented_list_and_one_object_read_like_lines():
    expected = [Experience(**OWL), Experience(**HAT)]
    for text in (json.dumps([OWL, HAT]), json.dumps([OWL, HAT], indent=2), "\n" + lines(OWL) + "\r\n \n" + lines(HAT)):
        assert read(text) == expected
    assert read(json.dumps(OWL, indent=2)) == expected[:1]
    assert read(b"\xef\xbb\xbf" + lines(OWL, HAT).encode()) == expected
    assert read(lines(OWL, HAT).rstrip()) == expected


def test_null_and_unknown_keys_are_as_good_as_absent():
    extra = {"session": None, "salience": None, "context": None, "id": None, "timestamp": None, "phase": "relating"}
    assert read(lines(OWL | extra)) == [Experience(**OWL)]


def test_the_origins_buffer():
    scored = OWL | {"id": "b7", "salience": {"surprise": 1.0, "total": 0.74}, "session": 22, "metadata": {"machine": "x"}}
    unscored = HAT | {"salience": {"surprise": 1.0}}
    expected = [Experience(**OWL, id="b7", salience=0.74, session=22), Experience(**HAT)]
    for buffer in ([scored, unscored], {"experiences": [scored, unscored], "max_size": 1000}):
        for indent in (None, 2):
            assert read(json.dumps(buffer, indent=indent)) == expected


@pytest.mark.parametrize(
    "text", ['{"experiences": [], "max_size": 10}', '{\n  "experiences": []\n}', "[]", '{"conversation": []}']
)
def test_no_experiences_is_not_an_error(text):
    assert read(text) == []


def said(*turns: str) -> list[dict]:
    return [dict(zip(("speaker", "text"), turn.split(": "), strict=True)) for turn in turns]


def test_a_transcript_joins_turns_of_one_speaker():
    talk = said("SAGE: Good morning.", "Ada: Hello.", "Ada: Who are you?", "SAGE: I am SAGE.", "SAGE: And you?", "Ada: Bye.")
    found = read(json.dumps({"session": 22, "start": "2026-01-18", "conversation": talk}, indent=2))
    assert found == [Experience("Hello.\nWho are you?", "I am SAGE.\nAnd you?", session=22, timestamp="2026-01-18")]


def test_the_ai_of_a_transcript_is_named_sage_or_speaks_every_second_turn():
    by_name = said("Ada: One?", "Bob: Two?", "sage: Three.")
    assert read(json.dumps({"conversation": by_name})) == [Experience("One?\nTwo?", "Three.")]
    by_turn = said("Ada: One?", "Orlo: Uno.", "Bob: Two?", "Orlo: Dos.")
    assert read(json.dumps({"conversation": by_turn})) == [Experience("One?", "Uno."), Experience("Two?", "Dos.")]
    unclear = said("Ada: One?", "Bob: Two?", "Cleo: Three?", "Dan: Four?")
    assert "which speaker is the AI" in complaint(json.dumps({"conversation": unclear}))
    assert "no prompt that got a reply" in complaint(json.dumps({"conversation": said("Ada: One?")}))


def talk(*turns: str) -> list[dict]:
    return [dict(zip(("role", "content"), turn.split(": "), strict=True)) for turn in turns]


def test_chats_give_an_experience_for_each_exchange():
    chat = talk(
        "system: Be brief.", "user: One?", "assistant: Uno.", "user: Two?", "user: Please.", "assistant: Dos.", "user: Bye"
    )
    found = read(
        lines({"messages": chat, "session": 4, "id": "c"}, {"messages": chat[1:3], "context": "In Spanish.", "id": "d"})
    )
    assert found == [
        Experience("One?", "Uno.", session=4, context="Be brief.", id="c#1"),
        Experience("Two?\nPlease.", "Dos.", session=4, context="Be brief.", id="c#2"),
        Experience("One?", "Uno.", context="In Spanish.", id="d"),
    ]


def test_chats_with_tools_parts_and_other_roles():
    chat = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "look"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "an owl"},
        {"role": "function", "name": "look", "content": None},
        {"role": "assistant", "content": [{"type": "output_text", "text": "An owl."}, "Really."]},
        {"role": "user", "content": "Thanks."},
        {"role": "assistant", "content": "", "function_call": {"name": "smile"}},
        {"role": "assistant", "content": "Any time."},
    ]
    expected = [
        Experience("What is it?", "An owl.\nReally.", context="Be brief.", id="c#1"),
        Experience("Thanks.", "Any time.", context="Be brief.", id="c#2"),
    ]
    assert read(lines({"messages": chat, "id": "c"})) == expected
    plain = [replace(one, id="") for one in expected]
    assert read(json.dumps(chat, indent=1)) == plain  # a list of messages is a chat
    assert read(lines(chat, chat)) == plain * 2
    assert read(json.dumps([chat, {"messages": chat}])) == plain * 2


def test_what_other_programs_write():
    """A Rust port of the origin writes its timestamps as numbers; datasets number their rows."""
    foreign = OWL | {"id": 7, "session": "022", "timestamp": 1780794321.25, "salience": {"total": 1 + 2e-16 * 2}}
    foreign |= {"metadata": {"deep": [{"er": None}], "nan": float("nan")}, "metabolic_state": "dream", "cycle": 74886}
    expected = Experience(**OWL, id="7", session=22, timestamp="2026-06-07T01:05:21.250000+00:00", salience=1.0)
    assert read(lines(foreign)) == read(lines(foreign | {"timestamp": 1780794321250})) == [expected]
    assert read(lines(OWL | {"salience": 1, "timestamp": 0}))[0].timestamp == "1970-01-01T00:00:00+00:00"


def test_experiences_by_id():
    by_id = {"experiences": {"a": OWL, "b": HAT | {"id": "mine", "salience": {"total": 0.25}}}, "max_size": 2}
    assert read(json.dumps(by_id)) == [Experience(**OWL, id="a"), Experience(**HAT, id="mine", salience=0.25)]
    assert read('{"experiences": {}}') == []


@pytest.mark.parametrize("salience", [None, {}, {"surprise": 1.0}, {"total": None}])
def test_a_salience_without_a_total_is_not_given(salience):
    assert read(lines(OWL | {"salience": salience})) == [Experience(**OWL)]


def test_gzip_and_what_is_wrong_with_it(tmp_path):
    packed = gzip.compress(lines(*[OWL, HAT] * 500).encode())
    assert read(packed) == [Experience(**OWL), Experience(**HAT)] * 500
    for broken in (packed[:-20], packed[:60] + bytes(20) + packed[80:]):
        assert complaint(broken) == "standard input: the gzip file is damaged or cut short; fetch it again."
    (tmp_path / "day.jsonl.gz").write_bytes(packed)
    assert len(list(read_experiences(tmp_path / "day.jsonl.gz"))) == 1000


@pytest.mark.parametrize(
    ("name", "count"), [("experience_buffer_333", 333), ("experience_buffer_10", 10), ("experience_buffer_empty", 0)]
)
def test_the_origins_own_buffers_import_whole(name, count, tmp_path):
    path = Path(os.environ.get("SLEEPCON_BUFFERS", ROOT.parent / "shared" / "data")) / f"{name}.json"
    if not path.exists():
        pytest.skip("the origin's buffers are not shipped")
    document = json.loads(path.read_bytes())
    raw = document if isinstance(document, list) else document["experiences"]
    with Memory(tmp_path / "memory.sqlite") as memory:
        assert memory.add(read_experiences(path)).new == count == len(raw)
        for item, held in zip(raw, memory.all(), strict=True):
            assert (held.prompt, held.response, held.id) == (item["prompt"], item["response"], item["id"])
            assert held.salience == memory.standing(held.id).salience == item["salience"]["total"]
            assert (held.session, held.timestamp) == (item["session"], item["timestamp"])
        assert memory.add(read_experiences(path)).duplicates == count


def test_a_later_system_message_does_not_reach_back():
    chat = talk("user: One?", "assistant: Uno.", "system: Now in French.", "user: Two?", "assistant: Deux.")
    assert [one.context for one in read(lines({"messages": chat}))] == ["", "Now in French."]


def test_the_format_is_found_by_content_not_by_name(tmp_path):
    path = tmp_path / "talk.csv"
    path.write_text(
        lines({"messages": talk("user: One?", "assistant: Uno.")}, OWL, {"conversation": said("A: B?", "SAGE: C.")})
    )
    assert [one.response for one in read_experiences(path)] == ["Uno.", OWL["response"], "C."]


def test_lines_are_read_one_by_one():
    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            line = lines(OWL).encode()
            buffer[: len(line)] = line
            return len(line)

    endless = read_experiences("-", io.BufferedReader(Endless()))
    assert [next(endless) for _ in range(1000)] == [Experience(**OWL)] * 1000


# Bad input: which line, what to do


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": None}, "the prompt is missing"),
        ({"response": None}, "the response is missing"),
        ({"prompt": " \n"}, "the prompt is empty"),
        ({"response": ""}, "the response is empty"),
        ({"prompt": 5}, "the prompt must be text, not 5"),
        ({"response": ["a"]}, "the response must be text"),
        ({"prompt": "x" * LONGEST}, "more than 20,000; shorten"),
        ({"context": "x" * (LONGEST + 1)}, "more than 20,000; shorten"),
        ({"prompt": "half \ud800"}, "half a character"),
        ({"salience": 1.01}, "the salience must be a number from 0 to 1, not 1.01"),
        ({"salience": -0.1}, "from 0 to 1"),
        ({"salience": float("nan")}, "not nan"),
        ({"salience": True}, "not True"),
        ({"salience": "0.5"}, "not '0.5'"),
        ({"salience": {"total": 2}}, "the salience must be"),
        ({"salience": [0.5]}, "the salience must be"),
        ({"feedback": -1.5}, "the feedback must be a number from -1 to 1"),
        ({"feedback": float("inf")}, "not inf"),
        ({"feedback": False}, "not False"),
        ({"session": "evening"}, "the session must be a whole number, not 'evening'"),
        ({"session": 2.5}, "whole number"),
        ({"session": True}, "whole number"),
        ({"session": 2**63}, "whole number"),
        ({"context": 0}, "the context must be text"),
        ({"id": 7.5}, "the id must be text"),
        ({"id": True}, "the id must be text"),
        ({"timestamp": True}, "the timestamp must be text"),
        ({"timestamp": float("nan")}, "the timestamp must be text, not nan"),
        ({"timestamp": -1e300}, "the timestamp must be text"),
    ],
)
def test_a_broken_rule_is_named_with_its_line_or_item(change, words):
    bad = OWL | change
    for text, place in (
        (lines(HAT) + "\n" + lines(bad), "standard input: line 3: "),
        (json.dumps([HAT, bad]), "standard input: item 2: "),
        (json.dumps({"experiences": [HAT, bad]}, indent=1), "standard input: item 2: "),
        (lines({"experiences": [bad]}), "standard input: line 1: item 1: "),
    ):
        message = complaint(text)
        assert message.startswith(place)
        assert words in message


def test_the_longest_experience_is_accepted():
    assert len(read(lines({"prompt": "p" * (LONGEST - 1), "response": "r", "context": "c" * LONGEST}))) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("\n  \n", "the file is empty"),
        ("prompt,response\na,b\n", "line 1: is neither JSON nor JSONL"),
        ("\n\n7\n", "line 3: is neither"),
        ("\ufeff", "the file is empty"),
        (lines(OWL) + '{"prompt": "a"', "line 2: not valid JSON"),
        (lines(OWL) + '{"prompt": "a", \r\n' + lines(OWL), "line 2: not valid JSON"),
        (lines(OWL) + '{"prompt": "a",}\n' + lines(OWL), "line 2: not valid JSON"),
        ('{"prompt": "a", "response": \n' + lines(OWL, HAT), "line 1: not valid JSON"),
        ('{"prompt": "a" "b"}', "line 1: not valid JSON (Expecting ',' delimiter at column 16)"),
        ('{\n"experiences": [\n{"prompt": "a" "b"}\n]}', "line 3: not valid JSON"),
        ('{"experiences": [\n' + lines(OWL, HAT) + "]}", "line 3: not valid JSON"),
        ('[\n{"prompt": "a",,}]', "line 2: not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        (lines(OWL) + '{"session": ' + "9" * 5000 + "}", "line 2: not valid JSON (a number is too long)"),
        (lines(OWL) + "[]\n", "line 2: an experience is an object"),
        ("[3]", "item 1: an experience is an object"),
        ("{}", "line 1: there is no prompt and no response"),
        ('{"experiences": {"a": 1}}', "experiences must be a list"),
        ('{"experiences": "none"}', "experiences must be a list"),
        ('{"experiences": {"a": {"prompt": "b"}}}', "item 1: the response is missing"),
        ('{"experiences": [1]}', "item 1: an experience is an object"),
        ('{"messages": "hello"}', "messages must be a list"),
        ('{"messages": []}', "no prompt that got a reply"),
        (lines({"messages": talk("user: One?")}), "no prompt that got a reply"),
        (lines({"messages": talk("assistant: One.")}), "no prompt that got a reply"),
        (lines({"messages": talk("user: One?", "narrator: Two.")}), "message 2: the role must be one of system, developer"),
        ('{"messages": [{"role": "user"}]}', "message 1: the content is empty"),
        ('{"messages": [{"content": "a"}]}', "message 1: a message is an object with role and content"),
        (
            '{"messages": [{"role": "user", "content": {"text": "a"}}]}',
            "message 1: the content must be text or a list of parts",
        ),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "message 1: the content is empty"),
        ('{"messages": [{"role": "user", "content": " "}]}', "message 1: the content is empty"),
        (lines({"messages": talk("user: One?", "assistant: Two."), "context": []}), "the context must be text"),
        ('{"conversation": ["hello"]}', "turn 1: a turn is an object with speaker and text"),
        (lines({"conversation": said("A: One?", "B: Two."), "session": "x"}), "the session must be a whole number"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(text, words):
    message = complaint(text)
    assert message.startswith("standard input: ")
    assert words in message


def test_a_file_that_was_damaged_anyhow_is_read_or_named():
    """Bytes changed, cut, swapped and put in, in each format: what comes of it is experiences or one sentence."""
    chat = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": [{"type": "text", "text": "Uno."}]}]
    by_id, talked = {"experiences": {"a": OWL, "b": HAT}}, {"session": 3, "conversation": said("A: B?", "SAGE: C.")}
    texts = [lines(OWL | {"salience": {"total": 0.5}}, HAT), json.dumps(by_id, indent=1), lines({"messages": chat}, chat)]
    whole = [text.encode() for text in (*texts, json.dumps(talked))] + [gzip.compress(texts[0].encode())]
    rng, outcomes = random.Random(0), []
    for _ in range(1500):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(len(data))
            put = rng.choice(
                (b"{", b"}", b"[", b"]", b",", b'"', b"\\", b"\n", b"null", b"NaN", b"1e999", b":", b"\xff", b"\0")
            )
            data[at : at + rng.choice((0, 0, 1, 1, 20))] = rng.choice((b"", put, put))
        try:
            outcomes.append(read(bytes(data)))
        except UserError as error:
            outcomes.append(str(error))
    sentences = [one for one in outcomes if isinstance(one, str)]
    assert 500 < len(sentences) < 1400
    assert all(one.startswith("standard input: ") and "\n" not in one and len(one) < 400 for one in sentences)


def test_what_is_not_utf8_is_named_with_its_line():
    owl = lines(OWL).encode()
    assert "line 3: not UTF-8" in complaint(owl + owl + '{"prompt": "café"'.encode("latin-1") + b"\n" + owl)
    assert "line 2: not UTF-8" in complaint(b'[{"prompt":\n"caf\xe9"}]')
    assert "line 1: is not UTF-8 text" in complaint(lines(OWL).encode("utf-16"))
    assert "line 1: is not UTF-8 text" in complaint(b"\0" * 100)


def test_files_that_cannot_be_read(tmp_path):
    for path, words in ((tmp_path / "none.jsonl", "there is no such file"), (tmp_path, "this is a folder")):
        with pytest.raises(UserError, match=words) as caught:
            list(read_experiences(path))
        assert str(path) in str(caught.value)
    locked = tmp_path / ("x" * 300)
    with pytest.raises(UserError, match="cannot be read"):
        list(read_experiences(locked))


def test_an_experience_made_by_hand_follows_the_same_rules():
    with pytest.raises(UserError, match="the response is empty"):
        Experience("Hello?", "")
    with pytest.raises(UserError, match="the context must be text"):
        Experience("Hello?", "Yes.", context=None)


# Ids


def test_ids_count_identical_experiences_and_come_back_the_same():
    given = [
        Experience(**OWL),
        Experience(**HAT),
        Experience(**OWL),
        Experience(**OWL, id="mine"),
        Experience(**OWL, session=1),
    ]
    ids = [one.id for one in with_ids(given)]
    assert len(set(ids)) == 5
    assert ids[3] == "mine"
    assert all(len(id) == 64 for id in (*ids[:3], ids[4]))
    assert [one.id for one in with_ids(given)] == ids
    assert [one.prompt for one in with_ids(given)] == [one.prompt for one in given]


def test_an_id_is_the_hash_of_what_it_says_it_is():
    quoted = Experience('Say "é"\n\u2028?', "\\ \t\0😀", session=-3, context="c", timestamp="t")
    for one, parts in (
        (quoted, [quoted.prompt, quoted.response, "c", -3, "t"]),
        (Experience(**OWL), [*OWL.values(), "", None, ""]),
    ):
        for times, (_, id, words) in enumerate(identified([one] * 3), 1):
            assert id == hashlib.sha256(json.dumps([*parts, times], ensure_ascii=False).encode()).hexdigest()
            assert words == hashlib.sha256(json.dumps(parts[:2], ensure_ascii=False).encode()).digest()[:16]


def test_an_id_depends_on_what_happened_not_on_how_it_is_judged():
    plain, *others = with_ids(
        [Experience(**OWL, **more) for more in ({}, {"context": "c"}, {"session": 0}, {"timestamp": "t"})]
    )
    assert len({plain.id, *(one.id for one in others)}) == 4
    (judged,) = with_ids([Experience(**OWL, salience=0.9, feedback=1)])
    assert judged.id == plain.id
