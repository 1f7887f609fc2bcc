"""An experience: something that was said to the brain and what was answered. And the readers of the files that hold them.

Four formats, told apart by what is in them, never by the file's name; ``-`` is standard input:

- our own, JSONL or a JSON list: ``prompt``, ``response``, optional ``session``, ``salience`` (0 to 1), ``feedback``
  (-1 to 1), ``context``, ``id``, ``timestamp``; other keys are ignored
- the origin's experience buffer: a list, or an object with ``experiences`` (a list, or an object by id); ``salience`` is a
  number or an object with ``total``
- the origin's session transcript: an object with ``conversation``, a list of ``speaker`` and ``text``
- chats: ``messages``, a list of ``role`` (system, developer, user, assistant, tool, function) and ``content`` (text, or a
  list of parts)

A file may be larger than memory: see ``records.py``.
"""

import gzip
import hashlib
import json
import reprlib
import sqlite3
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from sleepcon.errors import UserError
from sleepcon.records import is_talk, records

LONGEST = 20_000
"""Characters that a prompt and its response may have together; a context may have as many again."""
AI = "sage"
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "", "function": ""}
"""What each role of a chat is to us; what a tool answers is none of the brain's words."""
ROUNDING = 1e-6
"""A mean of numbers up to 1 may come out this much above it."""
MILLISECONDS = 1e11
"""A timestamp that is a number counts seconds since 1970; one above this, milliseconds."""
spelled = json.JSONEncoder(ensure_ascii=False).encode  # made once: json.dumps would make it anew for each of a million lines
FIELDS = ("session", "salience", "feedback", "context", "id", "timestamp")


@dataclass(frozen=True)
class Experience:
    """One exchange. Making one that breaks a rule raises :class:`UserError`.

    ``salience`` is the documented one (0 to 1), ``None`` where nobody stated any; ``feedback`` runs from -1 to 1;
    ``context`` is the written note that stood before the prompt; ``id`` is the file's own, else :func:`with_ids` gives one.
    """

    prompt: str
    response: str
    session: int | None = None
    salience: float | None = None
    feedback: float | None = None
    context: str = ""
    id: str = ""
    timestamp: str = ""

    def __post_init__(self) -> None:
        """Hold every field to its rule."""
        for name, text in (("prompt", self.prompt), ("response", self.response)):
            if text is None:
                raise UserError(f"the {name} is missing; every experience needs a prompt and a response.")
            must_be_text(name, text)
            if not text.strip():
                raise UserError(f"the {name} is empty; every experience needs a prompt and a response.")
        for name, text in (("context", self.context), ("id", self.id), ("timestamp", self.timestamp)):
            must_be_text(name, text)
        length = len(self.prompt) + len(self.response)
        if length > LONGEST:
            raise UserError(f"prompt and response have {length:,} characters, more than {LONGEST:,}; shorten or split them.")
        if len(self.context) > LONGEST:
            raise UserError(f"the context has {len(self.context):,} characters, more than {LONGEST:,}; shorten it.")
        if self.session is not None and (type(self.session) is not int or not -(2**63) <= self.session < 2**63):
            raise UserError(f"the session must be a whole number, not {reprlib.repr(self.session)}; mend it or leave it out.")
        must_be_within("salience", self.salience, 0)
        must_be_within("feedback", self.feedback, -1)


def must_be_text(name: str, value: object) -> None:
    """Raise :class:`UserError` unless ``value`` is text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise UserError(f"the {name} must be text, not {reprlib.repr(value)}; put it in quotation marks.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:  # JSON can spell half of a surrogate pair, which is no character
            raise UserError(f"the {name} holds half a character at position {error.start + 1}; write it anew.") from None


def must_be_within(name: str, value: object, low: int) -> None:
    """Raise :class:`UserError` unless ``value`` is ``None`` or a number from ``low`` to 1 (NaN is not, nor is true)."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= 1:
        raise UserError(f"the {name} must be a number from {low} to 1, not {reprlib.repr(value)}; mend it or leave it out.")


def with_ids(experiences: Iterable[Experience]) -> Iterator[Experience]:
    """The same experiences, in order, each with an id: its own, or the one of :func:`identified`."""
    for experience, id, _ in identified(experiences):
        yield experience if experience.id else replace(experience, id=id)


def identified(experiences: Iterable[Experience]) -> Iterator[tuple[Experience, str, bytes]]:
    """Each experience, in order, with its id and the hash of its words (16 bytes, equal for repeats).

    The id is its own, or the SHA-256 (hexadecimal) of the JSON list [prompt, response, context, session, timestamp, n], where
    n counts the identical ones so far: two identical lines of a file are two occurrences, and the same file read again gives
    the same ids. The counts are kept in a temporary database that SQLite spills to disk. The hash of the words is the SHA-256
    of [prompt, response].
    """
    with closing(sqlite3.connect("", isolation_level=None)) as counts:
        counts.execute("CREATE TABLE seen (hash BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")
        counts.execute("PRAGMA cache_size = -65536")
        counts.execute("BEGIN")
        for it in experiences:
            # The two lists begin alike, so that what is long is hashed once.
            said = hashlib.sha256(f"[{spelled(it.prompt)}, {spelled(it.response)}".encode())
            words = said.copy()
            words.update(b"]")
            if it.id:
                yield it, it.id, words.digest()[:16]
                continue
            said.update(f", {spelled(it.context)}, {json.dumps(it.session)}, {spelled(it.timestamp)}, ".encode())
            first = occurrence(said, 1)
            seen = (first.digest(),)
            if not counts.execute("INSERT OR IGNORE INTO seen VALUES (?, 1)", seen).rowcount:
                counts.execute("UPDATE seen SET times = times + 1 WHERE hash = ?", seen)
                (times,) = counts.execute("SELECT times FROM seen WHERE hash = ?", seen).fetchone()
                first = occurrence(said, times)
            yield it, first.hexdigest(), words.digest()[:16]


def occurrence(said: "hashlib._Hash", times: int) -> "hashlib._Hash":
    """The hash of the ``times``-th identical experience; ``said`` is that of the list without its last part."""
    whole = said.copy()
    whole.update(f"{times}]".encode())
    return whole


def read_experiences(path: str | Path, stdin: BinaryIO | None = None) -> Iterator[Experience]:
    """The experiences of a file in any of the four formats, in order; ``-`` reads ``stdin`` (bytes).

    Ids are left empty where the file gives none. Raises :class:`UserError` that names the file, the line (or the item
    of a list, counted from 1) and what to do. It does so when it gets there: take what comes in one transaction.
    """
    dash = str(path) == "-"
    name = "standard input" if dash else str(path)
    try:
        with nullcontext(stdin or sys.stdin.buffer) if dash else open(path, "rb") as stream:
            for where, record in records(stream, name):
                try:
                    found = experiences_in(record)
                except UserError as error:
                    raise UserError(f"{where}: {error}") from None
                yield from found
    except FileNotFoundError:
        raise UserError(f"{name}: there is no such file; check its name and folder.") from None
    except IsADirectoryError:
        raise UserError(f"{name}: this is a folder; give one file in it.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UserError(f"{name}: the gzip file is damaged or cut short; fetch it again.") from None
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error}); check the file and who may read it.") from None


def experiences_in(record: object) -> list[Experience]:
    """The experiences of one JSON value, whichever of the four formats it is in."""
    if isinstance(record, list) and is_talk(record):
        record = {"messages": record}
    if not isinstance(record, dict):
        raise UserError(f"an experience is an object with a prompt and a response, not {reprlib.repr(record)}.")
    if "prompt" in record or "response" in record:
        return [from_fields(record)]
    if "messages" in record:
        return from_chat(record)
    if "conversation" in record:
        return from_transcript(record)
    if "experiences" in record:
        return [one for place, item in enumerate(items_of(record), 1) for one in from_item(item, place)]
    raise UserError("there is no prompt and no response; every experience needs both.")


def items_of(record: dict) -> list:
    """What stands under ``experiences``: a list, or an object whose keys are the ids of those that state none."""
    found = record["experiences"]
    if isinstance(found, dict) and all(isinstance(item, dict) for item in found.values()):
        return [{"id": id} | item for id, item in found.items()]
    return as_list(record, "experiences")


def from_item(item: object, place: int) -> list[Experience]:
    """The experiences of one item of a buffer; errors name its place, counted from 1."""
    try:
        return experiences_in(item)
    except UserError as error:
        raise UserError(f"item {place}: {error}") from None


def from_fields(record: dict) -> Experience:
    """An object of our own format or of the origin's buffer, whose ``salience`` holds a ``total``. ``null`` is "not given".

    What another program plainly means is taken: a whole number as an id, a session of digits in quotation marks, a timestamp
    in seconds or milliseconds since 1970, a total that rounding has put above 1.
    """
    given = {key: record[key] for key in FIELDS if record.get(key) is not None}
    salience, id, session = given.get("salience"), given.get("id"), given.get("session")
    if isinstance(salience, dict):
        salience = given["salience"] = salience.get("total")
    if isinstance(salience, float) and 1 < salience <= 1 + ROUNDING:
        given["salience"] = 1.0
    if type(id) is int:
        given["id"] = str(id)
    if isinstance(session, str) and session.isascii() and session.isdigit():
        given["session"] = int(session)
    if type(given.get("timestamp")) in (int, float):
        given["timestamp"] = moment(given["timestamp"])
    return Experience(record.get("prompt"), record.get("response"), **given)  # type: ignore[arg-type]


def moment(number: float) -> object:
    """A timestamp in seconds or milliseconds since 1970 as ISO 8601 in UTC; what is no moment stays as it is."""
    try:
        return datetime.fromtimestamp(number / 1000 if number > MILLISECONDS else number, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return number


def from_transcript(record: dict) -> list[Experience]:
    """A session transcript. The AI is the speaker called SAGE, else the speaker of every second turn; others prompt."""
    turns = pairs_of(record, "conversation", "turn", "speaker", "text")
    if not turns:
        return []
    speakers = [speaker for speaker, _ in groupby(speaker for speaker, _ in turns)]
    named = {speaker for speaker in speakers if speaker.strip().casefold() == AI}
    replying = named or set(speakers[1::2])
    if not named and (len(replying) > 1 or replying & set(speakers[::2])):
        raise UserError("it is unclear which speaker is the AI; let it speak every second turn, or call it SAGE.")
    roles = [("assistant" if speaker in replying else "user", text) for speaker, text in turns]
    given = {"session": record.get("session"), "timestamp": record.get("start"), "id": record.get("id")}
    return from_exchanges(exchanges(roles, ""), given)


def from_chat(record: dict) -> list[Experience]:
    """A chat. Its system messages so far are the context; other keys hold for each of its exchanges.

    What a tool said, and a message that only calls one, stand between a question and its answer and are left out.
    """
    turns = []
    for place, message in enumerate(as_list(record, "messages"), 1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise UserError(f"message {place}: a message is an object with role and content, both text; mend it.")
        if message["role"] not in ROLES:
            raise UserError(
                f"message {place}: the role must be one of {', '.join(ROLES)}, not {reprlib.repr(message['role'])}."
            )
        role, text = ROLES[message["role"]], text_of(message.get("content"), place)
        if role and not text.strip() and not message.get("tool_calls") and not message.get("function_call"):
            raise UserError(f"message {place}: the content is empty; write it or take the message out.")
        if role and text.strip():
            turns.append((role, text))
    note = "" if record.get("context") is None else record["context"]
    must_be_text("context", note)
    return from_exchanges(exchanges(turns, note), record)


def text_of(content: object, place: int) -> str:
    """The text of a message: its content, or that of its parts; pictures and other parts without text are left out."""
    texts = []
    for part in content if isinstance(content, list) else [content]:
        text = part.get("text") if isinstance(part, dict) and part is not content else part
        if not isinstance(text, (str, type(None))):
            raise UserError(f"message {place}: the content must be text or a list of parts, not {reprlib.repr(content)}.")
        texts.append(text or "")
    return "\n".join(text for text in texts if text)


def as_list(record: dict, key: str) -> list:
    """The list under ``key``."""
    if not isinstance(record[key], list):
        raise UserError(f"{key} must be a list, not {reprlib.repr(record[key])}.")
    return record[key]


def pairs_of(record: dict, key: str, noun: str, who: str, what: str) -> list[tuple[str, str]]:
    """The turns under ``key`` as (speaker or role, text); errors name the turn, counted from 1."""
    turns = []
    for place, turn in enumerate(as_list(record, key), 1):
        if not isinstance(turn, dict) or not isinstance(turn.get(who), str) or not isinstance(turn.get(what), str):
            raise UserError(f"{noun} {place}: a {noun} is an object with {who} and {what}, both text; mend it.")
        if not turn[what].strip():
            raise UserError(f"{noun} {place}: the {what} is empty; write it or take the {noun} out.")
        turns.append((turn[who], turn[what]))
    return turns


def exchanges(turns: list[tuple[str, str]], note: str) -> list[tuple[str, str, str]]:
    """(prompt, response, context) for each reply; turns in a row of the same role are joined by a line break.

    A greeting before the first prompt and a last prompt that got no reply are no exchange: both are left out.
    """
    found, notes, prompt = [], [note] if note else [], ""
    for role, group in groupby(turns, key=lambda turn: turn[0]):
        text = "\n".join(said for _, said in group)
        if role == "system":
            notes.append(text)
        elif role == "user":
            prompt = f"{prompt}\n{text}" if prompt else text
        elif prompt:
            found.append((prompt, text, "\n".join(notes)))
            prompt = ""
    if not found:
        raise UserError("there is no prompt that got a reply; every conversation needs at least one of each.")
    return found


def from_exchanges(found: list[tuple[str, str, str]], given: dict) -> list[Experience]:
    """One experience an exchange. An id that holds for several becomes ``id#1``, ``id#2`` and so on."""
    made = []
    for place, (prompt, response, context) in enumerate(found, 1):
        one = from_fields({**given, "prompt": prompt, "response": response, "context": context})
        made.append(replace(one, id=f"{one.id}#{place}") if one.id and len(found) > 1 else one)
    return made
