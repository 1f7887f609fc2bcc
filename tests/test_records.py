"""Files of every shape read as the same values; large ones by the item; what is broken is named by its line."""

import gzip
import io
import json

import pytest

from sleepcon import records as records_module
from sleepcon.errors import UserError
from sleepcon.records import records

OWL = {"prompt": "What is my owl called?", "response": "Tibbet, née O’Hara.\nReally."}
HAT = {"prompt": "Where is my hat?", "response": 'Behind the door: {[]}, \\ and "here".'}
MANY = [OWL | {"n": n} for n in range(40)]


def read(data: str | bytes) -> list[tuple[str, object]]:
    return list(records(io.BytesIO(data.encode() if isinstance(data, str) else data), "f"))


def complaint(data: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def small_limits(monkeypatch):
    """Everything beyond a few bytes counts as large."""
    monkeypatch.setattr(records_module, "HEAD", 16)
    monkeypatch.setattr(records_module, "WHOLE", 16)
    monkeypatch.setattr(records_module, "LONGEST", 2000)


def in_small_reads(data: bytes, size: int) -> io.BufferedReader:
    """A stream that never gives more than ``size`` bytes at once."""

    class Slow(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            return super().read(size if count is None or count < 0 else min(size, count))

        def readinto(self, buffer) -> int:
            data = self.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)

    return io.BufferedReader(Slow(data), buffer_size=size)


SHAPES = {
    "list": lambda: json.dumps(MANY),
    "indented list": lambda: json.dumps(MANY, indent=3),
    "object": lambda: json.dumps({"max_size": 100, "experiences": MANY, "of": [1, {"a": 2}], "pi": 3.25}),
    "indented object": lambda: "\ufeff\r\n " + json.dumps({"experiences": MANY}, indent=1, ensure_ascii=False) + "\r\n\n",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_large_document_is_read_by_the_item(shape, size, small_limits, monkeypatch):
    monkeypatch.setattr("sleepcon.records.json.loads", lambda _: pytest.fail("parsed at once"))
    monkeypatch.setattr("sleepcon.records.parsed", lambda data, name, line: (_ for _ in ()).throw(UserError("too long")))
    found = list(records(in_small_reads(SHAPES[shape]().encode(), size), "f"))
    assert found == [(f"f: item {number}", item) for number, item in enumerate(MANY, 1)]


def test_a_large_document_is_never_held_whole():
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            data = b"[" if not Endless.given else json.dumps(OWL).encode() + b","
            buffer[: len(data)] = data
            Endless.given += len(data)
            return len(data)

    found = records(io.BufferedReader(Endless()), "f")
    assert [next(found)[1] for _ in range(100_000)][-1] == OWL
    assert Endless.given < 3 * records_module.WHOLE


def test_a_large_object_without_experiences_is_one_value(small_limits):
    talk = {"session": 22, "conversation": [{"speaker": "A", "text": "B"}] * 5, "empty": {}, "none": [], "n": 12}
    assert read(json.dumps(talk, indent=1)) == [("f: line 1", talk)]
    then = "\n" + json.dumps({"experiences": [OWL]})
    assert read("\n\n" + json.dumps(talk) + then) == [("f: line 3", talk), ("f: item 1", OWL)]


def test_lists_on_lines_are_jsonl():
    chats = [[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]]
    text = "".join(json.dumps(chat) + "\n" for chat in chats)
    assert read(text) == [("f: line 1", chats[0]), ("f: line 2", chats[1])]
    assert read(json.dumps(chats[0])) == [("f", chats[0])]  # a list of messages is one chat
    assert read(json.dumps(chats)) == [("f: item 1", chats[0]), ("f: item 2", chats[1])]


def test_lists_on_many_lines_are_jsonl(small_limits):
    text = "".join(json.dumps([number]) + "\n" for number in range(50))
    assert read(text) == [(f"f: line {number + 1}", [number]) for number in range(50)]


@pytest.mark.parametrize("shape", SHAPES)
def test_gzip_is_unpacked(shape, small_limits):
    packed = gzip.compress(SHAPES[shape]().encode())
    assert [value for _, value in read(packed)] == MANY
    lines = "".join(json.dumps(item) + "\n" for item in MANY).encode()
    assert [value for _, value in records(in_small_reads(gzip.compress(lines), 3), "f")] == MANY


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[\n{"a": 1},\n{"a": 1,,},\n{"a": 2}]' + " " * 40, "line 3: not valid JSON"),
        ('[{"a": 1}, \n{"a": 1},' + " " * 40 + "\n]", "line 3: not valid JSON (Expecting value)"),
        ('[{"a": 1}\n {"a": 1}]' + " " * 40, "line 2: not valid JSON (Expecting ',' delimiter)"),
        ('[{"a": 1},\n {"a": "' + "b" * 40, "line 2: not valid JSON (Unterminated string"),
        ('[{"a": 1},\n {"a": [' + "[" * 1900, "line 2: "),
        ('{"a": 1, "b"\n 2, "c": "' + "b" * 40 + '"}', "line 2: not valid JSON (Expecting ':' delimiter)"),
        ('{"a": 1, \n b: 2, "c": "' + "b" * 40 + '"}', "line 2: not valid JSON (Expecting"),
        ('{"a": 1,\n\n}' + " " * 40, "line 3: not valid JSON"),
        ('{"experiences": [{"a": 1},\n{"a": 2}\n,], "c": "' + "b" * 40 + '"}', "line 3: not valid JSON"),
        ('{"experiences": [{"a": 1}], "b": 2} \n 7' + " " * 40, "line 2: not valid JSON"),
        ('[\n{"a": "' + "b" * 3_000_000 + '"}]', "line 2: not valid JSON (an item of more than 2,000 characters)"),
        ('[\n{"a": ' + "9" * 5000 + "}]", "line 2: not valid JSON (a number is too long)"),
        ('{"a": 1}\n{"a": "' + "b" * 3000 + '"}\n', "line 2: longer than 2,000 bytes"),
    ],
)
def test_what_is_broken_in_a_large_file_is_named_with_its_line(text, words, small_limits):
    assert words in complaint(text)


def test_a_large_document_that_is_no_utf8(small_limits):
    text = b'[{"a": "b"},\n{"a": "c"},\n{"a": "' + b"\xe9" + b'"}]' + b" " * 40
    assert complaint(text).startswith("f: line 3: not UTF-8")


def test_a_document_nested_too_deeply(small_limits, monkeypatch):
    monkeypatch.setattr(records_module, "LONGEST", 10**6)
    assert "nested too deeply" in complaint("[{}," + "[" * 200_000)
