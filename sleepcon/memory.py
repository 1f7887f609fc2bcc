"""The memory buffer: every experience a brain ever had, in one SQLite file, whole or not at all.

The ledger of nights lives in the same file, so that marking what was consolidated and the night's row are one step:

    with memory.transaction():
        memory.mark_consolidated(ids, cycle)
        ledger.enter(row)

Nothing here holds the memory whole: a million experiences are read in pages.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from sleepcon.errors import UserError
from sleepcon.experience import Experience, identified

if TYPE_CHECKING:
    from sleepcon.salience import Scores  # for its name only: salience stands above memory and brings torch

WAIT_SECONDS = 30.0
"""How long to wait for another process that is writing."""
PAGE = 500

SCHEMA = """
CREATE TABLE IF NOT EXISTS experiences (
    position INTEGER PRIMARY KEY, -- order of arrival
    id TEXT NOT NULL UNIQUE,
    words BLOB NOT NULL, -- 16 bytes of the SHA-256 of prompt and response: equal for repeats
    prompt TEXT NOT NULL,
    response TEXT NOT NULL,
    session INTEGER,
    documented REAL,
    feedback REAL,
    context TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    measured REAL,
    scores TEXT, -- JSON: for each factor its value, evidence and whether it is an estimate
    cycle INTEGER, -- the night that consolidated it
    salience REAL AS (coalesce(documented, measured))
);
CREATE INDEX IF NOT EXISTS experiences_consolidated ON experiences (cycle) WHERE cycle IS NOT NULL;
CREATE INDEX IF NOT EXISTS experiences_measured ON experiences (measured) WHERE cycle IS NULL AND measured IS NOT NULL;
CREATE TABLE IF NOT EXISTS weighed (
    weights TEXT NOT NULL -- JSON: what each factor counts for in all that was measured, but for
);
CREATE TABLE IF NOT EXISTS unweighed (
    position INTEGER PRIMARY KEY -- those measured since
);
"""
LATE_INDEXES = {
    "experiences_words": "experiences (words)",
    "experiences_pending": "experiences (salience) WHERE cycle IS NULL",
}
"""Made after the rows when a memory is filled for the first time: one sort is faster than a search for each row."""
COLUMNS = "prompt, response, session, documented, feedback, context, id, timestamp"
INCOMING = f"CREATE TEMP TABLE incoming (position INTEGER PRIMARY KEY, words BLOB, {COLUMNS})"

REASONS = {
    sqlite3.SQLITE_BUSY: "another process keeps it busy; wait until it is done and try again",
    sqlite3.SQLITE_LOCKED: "it is being read and written at once; try again",
    sqlite3.SQLITE_READONLY: "it may not be written; check its permissions",
    sqlite3.SQLITE_PERM: "it may not be opened; check its permissions",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its folder exists and may be written",
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written; check it and try again",
    sqlite3.SQLITE_NOTADB: "it is not a database; move the file away or choose another brain",
    sqlite3.SQLITE_CORRUPT: "it is damaged; put back a copy or choose another brain",
}


@dataclass(frozen=True)
class Added:
    """What an import brought. ``new`` includes ``repeats``.

    A duplicate is the same occurrence again (same id) and is not stored twice; a repeat says the same words as an
    earlier occurrence at another time (another id) and is.
    """

    new: int
    duplicates: int
    repeats: int


@dataclass(frozen=True)
class Standing:
    """Where an experience stands: its effective ``salience`` (documented if stated, else measured), the ``measured`` total,
    the ``scores`` as {factor: {"value", "evidence", "estimated"}}, and the ``cycle`` that consolidated it."""

    salience: float | None
    measured: float | None
    scores: dict[str, dict] | None
    cycle: int | None


class Memory:
    """A brain's experiences in the SQLite file at ``path``, made if it is not there (its folder must be).

    Several processes may have it open; a ``Memory`` is used by the thread that made it. ``connection`` is in autocommit:
    ``with memory.connection:`` opens no transaction, ``with memory.transaction():`` does. Raises :class:`UserError`
    when the file cannot be opened, is no database, or stays busy for ``wait`` seconds.
    """

    def __init__(self, path: str | Path, wait: float = WAIT_SECONDS):
        """Open or make the file."""
        self.path = Path(path)
        with self._plainly():
            self.connection = sqlite3.connect(self.path, timeout=wait, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise

    def _prepare(self) -> None:
        # A rollback journal that is truncated, each commit flushed: a crash, even of the machine, loses no commit.
        self.connection.execute("PRAGMA journal_mode = TRUNCATE")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA cache_size = -65536")  # KiB, at most: keeps a large import's indexes off the disk
        if not self.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'unweighed'").fetchone():
            with self.transaction():
                for statement in SCHEMA.strip().split(";\n"):
                    self.connection.execute(statement)
                self._make_indexes()

    def _make_indexes(self) -> None:
        for name, columns in LATE_INDEXES.items():
            self.connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")

    def __enter__(self) -> Self:
        """Itself: ``with Memory(path) as memory`` closes the file at the end."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file. What was not committed is undone."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside happens together or, when an exception leaves the block, not at all.

        Inside another transaction it is part of that one: let exceptions go up to the outermost.
        """
        with self._plainly(), self._begun("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _begun(self, begin: str) -> Iterator[None]:
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute(begin)
        try:
            yield
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Say in plain words what the user can mend; any other error of SQLite's is the program's fault and goes up."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            # Errors that Python itself raises, such as a closed connection, carry no code of SQLite's.
            why = REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
            if why is None:
                raise
            raise UserError(f"The memory {self.path} cannot be used: {why}.") from error

    def add(self, experiences: Iterable[Experience]) -> Added:
        """Store experiences, all or none; the experience that is there already stays as it is.

        Raises :class:`UserError` when one id stands for different words or contexts; whatever ``experiences`` raises
        goes up too. In neither case is anything stored.
        """
        with self._plainly():
            self.connection.execute(INCOMING)
            try:
                # Gathered beside first: a slow or broken import neither locks the memory nor needs undoing in it.
                with self._begun("BEGIN"):
                    self.connection.executemany(
                        "INSERT INTO temp.incoming VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            (words, it.prompt, it.response, it.session, it.salience, it.feedback, it.context, id, it.timestamp)
                            for it, id, words in identified(experiences)
                        ),
                    )
                with self.transaction():
                    return self._take_in()
            finally:
                self.connection.execute("DROP TABLE IF EXISTS temp.incoming")

    def _take_in(self) -> Added:
        before = self.last()
        (given,) = self._one("SELECT count(*) FROM temp.incoming")
        if not before:
            for name in LATE_INDEXES:
                self.connection.execute(f"DROP INDEX {name}")
        new = self.connection.execute(
            f"INSERT INTO experiences (words, {COLUMNS}) SELECT words, {COLUMNS} FROM temp.incoming WHERE true"
            " ORDER BY position ON CONFLICT (id) DO NOTHING"
        ).rowcount
        self._make_indexes()
        clash = given > new and self._one(
            "SELECT i.id, i.prompt FROM temp.incoming i JOIN experiences e ON e.id = i.id"
            " WHERE i.words != e.words OR i.context != e.context LIMIT 1"
        )
        if clash:
            raise UserError(
                f"The id {shortened(clash[0])} of {shortened(clash[1])} belongs to a different experience;"
                " give each its own id, or none."
            )
        (repeats,) = self._one(
            "SELECT count(*) FROM experiences n WHERE position > ? AND EXISTS"
            " (SELECT 1 FROM experiences e WHERE e.words = n.words AND e.position < n.position)",
            before,
        )
        return Added(new, given - new, repeats)

    def count(self) -> int:
        """How many experiences there are."""
        return self._one("SELECT count(*) FROM experiences")[0]

    def count_pending(self) -> int:
        """How many experiences no night has consolidated yet, whatever their salience."""
        # All but the consolidated: SQLite counts a whole table by its pages, what waits one by one.
        (consolidated,) = self._one("SELECT count(*) FROM experiences WHERE cycle IS NOT NULL")
        return self.count() - consolidated

    def all(self) -> Iterator[Experience]:
        """Every experience in order of arrival, those added meanwhile included."""
        low = 1
        while low <= self.last():
            yield from (experience for _, experience in self.between(low, low + PAGE - 1))
            low += PAGE

    def last(self) -> int:
        """The position of the newest experience, 0 if there is none. Positions count from 1 in order of arrival."""
        return self._one("SELECT coalesce(max(position), 0) FROM experiences")[0]

    def place(self, id: str) -> int | None:
        """The position of the experience with this id, ``None`` if there is none."""
        row = self._one("SELECT position FROM experiences WHERE id = ?", id)
        return row[0] if row else None

    def between(self, low: int, high: int) -> list[tuple[int, Experience]]:
        """(position, experience) from position ``low`` to ``high``, both included."""
        found = f"SELECT position, {COLUMNS} FROM experiences WHERE position BETWEEN ? AND ? ORDER BY position"
        return [(row[0], Experience(*row[1:])) for row in self.rows(found, low, high)]

    def get(self, id: str) -> Experience | None:
        """The experience with this id, ``None`` if there is none."""
        row = self._one(f"SELECT {COLUMNS} FROM experiences WHERE id = ?", id)
        return Experience(*row) if row else None

    def standing(self, id: str) -> Standing | None:
        """Salience, scores and cycle of the experience with this id, ``None`` if there is none."""
        row = self._one("SELECT salience, measured, scores, cycle FROM experiences WHERE id = ?", id)
        return Standing(row[0], row[1], json.loads(row[2]) if row[2] else None, row[3]) if row else None

    def pending(self, threshold: float, measured: bool = False) -> Iterator[Experience]:
        """Experiences whose effective salience reaches ``threshold`` and that no night has consolidated, in order of arrival.

        ``measured``: go by the measured salience alone, as if none had a documented one. Which they are is settled at the
        first one, and they may be scored or marked while they are read.
        """
        for experience, _ in self.pending_with_salience(threshold, measured):
            yield experience

    def pending_with_salience(self, threshold: float, measured: bool = False) -> Iterator[tuple[Experience, float]]:
        """Those of :meth:`pending`, each with the salience that decided, 0 to 1."""
        column = "measured" if measured else "salience"
        return self._at(column, f"cycle IS NULL AND {column} >= ?", threshold)

    def unscored(self, measured: bool = False) -> Iterator[Experience]:
        """Experiences without any salience that no night has consolidated, in order of arrival; ``measured``: without one
        that was measured, whatever is documented."""
        column = "measured" if measured else "salience"
        return (experience for experience, _ in self._at(column, f"cycle IS NULL AND {column} IS NULL"))

    def consolidated(self, up_to_cycle: int) -> Iterator[Experience]:
        """Experiences that the nights up to ``up_to_cycle`` consolidated, in order of arrival."""
        return (experience for experience, _ in self._at("salience", "cycle IS NOT NULL AND cycle <= ?", up_to_cycle))

    def set_scores(self, id: str, scores: "Scores", total: float | None = None) -> None:
        """Store the measured factors and their total (0 to 1), by default their mean: with weights of your own, give it.

        Raises :class:`UserError` when there is no such experience.
        """
        factors = asdict(scores)
        if total is None:
            total = sum(factor["value"] for factor in factors.values()) / len(factors)
        with self.transaction():
            changed = self.connection.execute(
                "UPDATE experiences SET measured = ?, scores = ? WHERE id = ?", (total, json.dumps(factors), id)
            )
            self.connection.execute("INSERT OR IGNORE INTO unweighed SELECT position FROM experiences WHERE id = ?", (id,))
        if not changed.rowcount:
            raise UserError(f"There is no experience {shortened(id)} in the memory.")

    def weigh(self, weights: dict[str, float]) -> None:
        """Make the measured salience of all that waits the mean of its stored factors with these weights, by factor.

        With the weights of the last time only what was measured since is looked at.
        """
        top = max(weights.values())
        parts = {name: weight / top for name, weight in weights.items()}
        terms = [f"{part / sum(parts.values())!r} * json_extract(scores, '$.{name}.value')" for name, part in parts.items()]
        total, wanted = " + ".join(terms), json.dumps(parts, sort_keys=True)
        which = "cycle IS NULL AND measured IS NOT NULL"
        if self._one("SELECT 1 FROM weighed WHERE weights = ?", wanted):
            if not self._one("SELECT 1 FROM unweighed"):
                return
            which += " AND position IN (SELECT position FROM unweighed)"
        with self.transaction():
            self.connection.execute(
                f"UPDATE experiences SET measured = {total} WHERE {which} AND abs(measured - ({total})) > 1e-9"
            )
            self.connection.execute("DELETE FROM unweighed")
            self.connection.execute("DELETE FROM weighed")
            self.connection.execute("INSERT INTO weighed VALUES (?)", (wanted,))

    def mark_consolidated(self, ids: Sequence[str], cycle: int) -> None:
        """Note that the night ``cycle`` consolidated these; part of the transaction that is open, else one of its own.

        Raises :class:`UserError`, nothing marked, when one is not there or another night has consolidated it already.
        """
        with self.transaction():
            changed = self.connection.executemany(
                "UPDATE experiences SET cycle = ? WHERE id = ? AND cycle IS NULL", [(cycle, id) for id in ids]
            )
            if ids and changed.rowcount != len(ids):
                raise UserError("Some of these experiences were consolidated meanwhile or are not in memory; sleep again.")

    def _at(self, column: str, where: str, *values: float) -> Iterator[tuple[Experience, float]]:
        """Experiences that match, in order, each with a column. Only their positions are held (8 bytes each), and no lock while
        they are read."""
        # As one text and sorted here: five times as fast as a row for each, and no "ORDER BY" that leads past the index.
        (text,) = self._one(f"SELECT group_concat(position) FROM experiences WHERE {where}", *values)
        positions = np.sort(np.fromstring(text, np.int64, sep=",")) if text else np.empty(0, np.int64)
        for start in range(0, len(positions), PAGE):
            page = positions[start : start + PAGE].tolist()
            marks = ",".join("?" * len(page))
            rows = self.rows(
                f"SELECT {COLUMNS}, {column} FROM experiences WHERE position IN ({marks}) ORDER BY position", *page
            )
            yield from ((Experience(*row[:-1]), row[-1]) for row in rows)

    def rows(self, sql: str, *values: object) -> list[tuple]:
        """What a query finds; what the user can mend of its errors is said in plain words."""
        with self._plainly():
            return self.connection.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: object) -> tuple:
        with self._plainly():
            return self.connection.execute(sql, values).fetchone()


def shortened(text: str) -> str:
    """At most 60 characters of a text, in quotation marks and on one line."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
