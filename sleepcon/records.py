"""JSON values out of a file, one at a time: JSONL by the line, a JSON document whole or by the item, either of them gzipped.

    for where, value in records(stream, "day.jsonl"):
        ...                                          # where: "day.jsonl: line 3" or "day.jsonl: item 7"

A file is told from its content, never from its name. No more is held than a line, a small document, or one item of a large
one.
"""

import codecs
import gzip
import io
import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any, BinaryIO, cast

from sleepcon.errors import UserError

HEAD = 65_536
WHOLE = 8 * 2**20
"""Bytes of a document that is parsed at once; of a larger one, item by item."""
WHITESPACE = re.compile(r"[ \t\r\n]*")
LONGEST = 16 * 2**20
"""Bytes of a line, or characters of an item, at most."""
MEND = "mend the line or take it out."
NOT_UTF8 = "not UTF-8 text; save the file as UTF-8."
TOO_DEEP = "nested too deeply; an experience is a flat object."
TOO_LONG = f"not valid JSON (a number is too long); {MEND}"


def records(stream: BinaryIO, name: str) -> Iterator[tuple[str, object]]:
    """``(where, JSON value)`` for each line of a JSONL stream, or for each item of one JSON document.

    Raises :class:`UserError` with the file, the line (or the item, counted from 1) and what to do.
    """
    stream = unpacked(stream)
    number, head = opening(stream, name)
    broken, first = None, None
    try:
        first = parsed(head.rstrip(), name, number)  # else what lacks at its end is blamed on the next line
    except UserError as error:
        broken = error
    if isinstance(first, dict):
        yield f"{name}: line {number}", first
        yield from lines(iter(partial(stream.readline, LONGEST + 1), b""), name, number + 1)
        return
    rest = stream.read(WHOLE)
    large = len(rest) == WHOLE
    if broken is None and rest.strip():  # a list on every line
        yield f"{name}: line {number}", first
        rest += stream.readline()
        yield from lines(chain(io.BytesIO(rest), stream), name, number + 1)
    elif large:
        yield from Scanner(head + rest, stream, name, number).values()
    else:
        document = first if broken is None else one_document(head, rest, broken, name, number)
        if isinstance(document, list) and not is_talk(document):
            yield from ((f"{name}: item {index}", item) for index, item in enumerate(document, 1))
        else:
            yield name, document


def unpacked(stream: BinaryIO) -> BinaryIO:
    """The stream, decompressed when it is gzip's."""
    peeking: Any = stream if hasattr(stream, "peek") else io.BufferedReader(cast(io.RawIOBase, stream))
    return cast(BinaryIO, gzip.GzipFile(fileobj=peeking)) if peeking.peek(2)[:2] == b"\x1f\x8b" else peeking


def opening(stream: BinaryIO, name: str) -> tuple[int, bytes]:
    """The number of the first line that is not blank, and the line, or as much of it as is parsed at once."""
    number, line = 1, stream.readline(HEAD).removeprefix(codecs.BOM_UTF8)  # some editors put a mark before UTF-8 text
    while line and not line.strip():
        number += line.endswith(b"\n")
        line = stream.readline(HEAD)
    start = line.lstrip()[:1]
    if not start:
        raise UserError(f"{name}: the file is empty; give one with experiences (an empty list is written []).")
    if start not in b"{[":
        # Said before the line is read whole: of a file that is no text, a "line" may be gigabytes.
        why = "is not UTF-8 text; save the file as UTF-8" if start >= b"\x80" or start == b"\0" else "is neither JSON nor JSONL"
        raise UserError(f"{name}: line {number}: {why}; it should start with {{ or [.")
    return number, line if line.endswith(b"\n") else line + stream.readline(WHOLE)


def lines(stream: Iterator[bytes], name: str, number: int) -> Iterator[tuple[str, object]]:
    """The value of each line that is not blank; the first has this number."""
    for later, line in enumerate(stream, number):
        if len(line) > LONGEST:
            raise UserError(f"{name}: line {later}: longer than {LONGEST:,} bytes; put each experience on a line of its own.")
        if line.strip():
            yield f"{name}: line {later}", parsed(line.rstrip(), name, later)


def is_talk(values: list) -> bool:
    """Whether a list is one chat: an object with a role for each message."""
    return bool(values) and all(isinstance(value, dict) and "role" in value for value in values)


def one_document(head: bytes, rest: bytes, broken: UserError, name: str, number: int) -> object:
    """The JSON value that ``head`` and ``rest`` spell together; else the error of the line that is to blame."""
    if not rest.strip():
        raise broken
    try:
        return parsed(head + rest, name, number)
    except UserError:
        opens = head.rstrip().endswith((b"{", b"["))
        if opens or not stands_alone(rest.lstrip().split(b"\n", 1)[0]):
            raise
        raise broken from None


def stands_alone(line: bytes) -> bool:
    """Whether a line is a JSON object by itself, so that the file is JSONL."""
    try:
        return isinstance(parsed(line, "", 1), dict)
    except UserError:
        return False


def parsed(data: bytes, name: str, number: int) -> object:
    """The JSON value in ``data``, which starts at line ``number`` of the file."""
    try:
        return json.loads(data.decode())
    except UnicodeDecodeError as error:
        line, why = number + data.count(b"\n", 0, error.start), NOT_UTF8
    except json.JSONDecodeError as error:
        line, why = (
            number + error.lineno - 1,
            f"not valid JSON ({error.msg.removesuffix(' at')} at column {error.colno}); {MEND}",
        )
    except RecursionError:
        line, why = number, TOO_DEEP
    except ValueError:  # a whole number of more digits than Python converts
        line, why = number, TOO_LONG
    raise UserError(f"{name}: line {line}: {why}")


class Scanner:
    """JSON values of a text that begins with ``head`` and goes on in ``stream``, read as far as each value needs."""

    def __init__(self, head: bytes, stream: BinaryIO, name: str, line: int):
        self.stream, self.name, self.line = stream, name, line
        self.decoder, self.json = codecs.getincrementaldecoder("utf-8")(), json.JSONDecoder()
        self.text, self.at = "", 0
        self.add(head)

    def values(self) -> Iterator[tuple[str, object]]:
        """Each item of each list, and of each ``experiences``; each other object."""
        while start := self.peek():
            if start == "[":
                yield from self.items()
            elif start == "{":
                yield from self.members()
            else:
                raise self.wrong("Extra data")

    def items(self) -> Iterator[tuple[str, object]]:
        """The items of the list that begins here."""
        index = 0
        while self.another("]", index == 0):
            index += 1
            yield f"{self.name}: item {index}", self.value()

    def members(self) -> Iterator[tuple[str, object]]:
        """The items under ``experiences`` of the object that begins here; the object itself where it has none."""
        where, found = f"{self.name}: line {self.line_now()}", False
        fields: dict[str, object] = {}
        while self.another("}", not fields and not found):
            key = self.value()
            if self.peek() != ":":
                raise self.wrong("Expecting ':' delimiter")
            self.at += 1
            if key == "experiences" and self.peek() == "[":
                found = True
                yield from self.items()
            else:
                fields[str(key)] = self.value()
        if not found:
            yield where, fields

    def another(self, end: str, first: bool) -> bool:
        """Step over the bracket that opens (``first``), or a comma, or the bracket that ends; whether a value follows."""
        here = self.peek()
        if not first and here not in (",", end):
            raise self.wrong("Expecting ',' delimiter")
        self.at += 1
        if first and self.peek() == end:
            self.at += 1
            return False
        return first or here == ","

    def value(self) -> object:
        """The value that begins here."""
        self.peek()
        while True:
            try:
                value, end = self.json.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                read = error.pos - self.at
                if len(self.text) - self.at > LONGEST:
                    raise self.wrong(f"an item of more than {LONGEST:,} characters") from None
                if not self.more():
                    self.at += read
                    raise self.wrong(error.msg) from None
            except RecursionError:
                raise UserError(f"{self.name}: line {self.line_now()}: {TOO_DEEP}") from None
            except ValueError:
                raise UserError(f"{self.name}: line {self.line_now()}: {TOO_LONG}") from None
            else:
                length = end - self.at
                if end < len(self.text) or not self.more():  # a number may go on beyond what was read
                    self.at += length
                    return value

    def peek(self) -> str:
        """The next character that is no white space; none at the end."""
        while True:
            self.at = WHITESPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def more(self) -> bool:
        """Read on, and let go of what is done with. Each read doubles what is held, so that a long item costs no more."""
        data = self.stream.read(max(2**20, len(self.text) - self.at))
        self.add(data)
        return bool(data)

    def add(self, data: bytes) -> None:
        """Append more of the text."""
        self.line, self.text, self.at = self.line_now(), self.text[self.at :], 0
        try:
            self.text += self.decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line = self.line + self.text.count("\n") + data.count(b"\n", 0, error.start)
            raise UserError(f"{self.name}: line {line}: {NOT_UTF8}") from None

    def line_now(self) -> int:
        """The number of the line that stands at ``at``."""
        return self.line + self.text.count("\n", 0, self.at)

    def wrong(self, why: str) -> UserError:
        """The error to raise here."""
        return UserError(f"{self.name}: line {self.line_now()}: not valid JSON ({why.removesuffix(' at')}); {MEND}")
