import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sleepcon.errors import UserError
from sleepcon.experience import Experience, with_ids
from sleepcon.memory import PAGE, Added, Memory

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def memory(tmp_path):
    with Memory(tmp_path / "memory.sqlite") as opened:
        yield opened


def exchange(number: int, **more) -> Experience:
    return Experience(f"What is box {number}?", f"Box {number} holds string.", **more)


# As in salience.py, without its five detectors
@dataclass(frozen=True)
class Factor:
    value: float
    evidence: str
    estimated: bool = False


@dataclass(frozen=True)
class Scores:
    surprise: Factor
    reward: Factor


SCORES = Scores(Factor(0.2, "5 nats"), Factor(0.8, "guessed", True))


def test_what_goes_in_comes_out_in_order(memory):
    full = exchange(1, session=4, salience=0.25, feedback=-1, context="Attic.\0é—", id="b1", timestamp="2026-01-01")
    given = [full, *(exchange(number) for number in range(2, 2 * PAGE + 2))]
    assert memory.add(iter(given)) == Added(2 * PAGE + 1, 0, 0)
    assert [replace(one, id="") for one in memory.all()] == [replace(one, id="") for one in given]
    assert memory.get("b1") == full
    assert memory.get("none") is None
    assert memory.count() == memory.count_pending() == 2 * PAGE + 1
    assert list(memory.all())[1:] == list(with_ids(given))[1:]


def test_an_empty_import_is_fine(memory):
    assert memory.add([]) == Added(0, 0, 0)
    assert list(memory.all()) == list(memory.pending(0)) == []


def test_importing_twice_gives_only_duplicates(memory):
    given = [exchange(1), exchange(2), exchange(1)]
    assert memory.add(given) == Added(3, 0, 1)
    assert memory.add(given) == Added(0, 3, 0)
    assert memory.add([exchange(1), exchange(1), exchange(1)]) == Added(1, 2, 1)
    assert memory.count() == 4


def test_the_same_words_at_another_time_are_a_repeat(memory):
    assert memory.add([exchange(1, session=1)]) == Added(1, 0, 0)
    assert memory.add([exchange(1, session=2), exchange(1, session=1), exchange(2)]) == Added(2, 1, 1)
    assert memory.add([exchange(3, id="x"), exchange(3, id="x"), exchange(3, id="y")]) == Added(2, 1, 1)


def test_what_is_there_stays_as_it_is(memory):
    memory.add([exchange(1, id="a", salience=0.2)])
    assert memory.add([exchange(1, id="a", salience=0.9)]) == Added(0, 1, 0)
    assert memory.get("a").salience == 0.2


@pytest.mark.parametrize("other", [exchange(2, id="a"), exchange(1, id="a", context="Elsewhere.")])
def test_one_id_for_two_different_experiences_is_refused(memory, other):
    with pytest.raises(UserError, match=r"The id 'a' of .* different experience"):
        memory.add([exchange(7), exchange(1, id="a"), other])
    assert memory.count() == 0
    memory.add([exchange(1, id="a")])
    with pytest.raises(UserError, match="The id 'a'"):
        memory.add([exchange(8), other])
    assert memory.count() == 1
    assert memory.add([exchange(8)]) == Added(1, 0, 0)


def test_nothing_is_half_imported(memory):
    def broken():
        yield from (exchange(number) for number in range(5000))
        raise UserError("line 5001 is broken")

    for _ in range(2):
        with pytest.raises(UserError, match="5001"):
            memory.add(broken())
    assert memory.count() == 0
    assert not memory.connection.in_transaction


def test_an_import_inside_a_transaction_is_part_of_it(memory):
    def two_imports():
        with memory.transaction():
            memory.add([exchange(1)])
            memory.add(fail() for _ in range(1))

    def fail():
        raise UserError("the second is broken")

    with pytest.raises(UserError, match="second"):
        two_imports()
    assert memory.count() == 0
    assert memory.add([exchange(1)]).new == 1


def test_pending_goes_by_documented_salience_then_by_the_measured_total(memory):
    memory.add([exchange(1, id="said", salience=0.6), exchange(2, id="low", salience=0.1), exchange(3, id="open")])
    assert [one.id for one in memory.unscored()] == ["open"]
    assert [one.id for one in memory.pending(0.6)] == ["said"]
    memory.set_scores("open", SCORES, total=0.7)
    memory.set_scores("low", SCORES, total=0.9)
    assert [one.id for one in memory.pending(0.6)] == ["said", "open"]
    assert list(memory.unscored()) == []
    assert memory.get("open").salience is None
    standing = memory.standing("low")
    assert (standing.salience, standing.measured, standing.cycle) == (0.1, 0.9, None)
    assert standing.scores["reward"] == {"value": 0.8, "evidence": "guessed", "estimated": True}
    assert memory.standing("said").scores is None
    assert memory.standing("none") is None
    memory.set_scores("open", SCORES)
    assert memory.standing("open").salience == pytest.approx(0.5)
    with pytest.raises(UserError, match="no experience 'none'"):
        memory.set_scores("none", SCORES)


def test_pending_may_be_marked_while_it_is_read(memory):
    memory.add(exchange(number, id=str(number), salience=number % 2) for number in range(4 * PAGE))
    seen = []
    for one in memory.pending(0.5):
        memory.mark_consolidated([one.id], 1) if len(seen) % 100 == 0 else None
        seen.append(int(one.id))
    assert seen == list(range(1, 4 * PAGE, 2))


def test_consolidated_experiences_are_no_longer_pending(memory):
    memory.add(exchange(number, id=str(number), salience=0.9) for number in range(4))
    memory.mark_consolidated(["2", "0"], 1)
    memory.mark_consolidated(["3"], 2)
    assert [one.id for one in memory.pending(0)] == ["1"]
    assert memory.count_pending() == 1
    assert [one.id for one in memory.consolidated(1)] == ["0", "2"]
    assert [one.id for one in memory.consolidated(2)] == ["0", "2", "3"]
    assert list(memory.consolidated(0)) == []
    assert memory.standing("3").cycle == 2
    for ids in (["1", "2"], ["1", "none"]):
        with pytest.raises(UserError, match="meanwhile"):
            memory.mark_consolidated(ids, 3)
    assert memory.standing("1").cycle is None


def test_marking_and_the_ledgers_row_are_one_step(memory):
    memory.add([exchange(1, id="a", salience=1)])
    memory.connection.execute("CREATE TABLE nights (cycle INTEGER)")

    def night(fails):
        with memory.transaction():
            memory.mark_consolidated(["a"], 1)
            assert memory.connection.in_transaction
            memory.connection.execute("INSERT INTO nights VALUES (1)")
            if fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        night(fails=True)
    assert memory.count_pending() == 1
    assert not memory.connection.execute("SELECT * FROM nights").fetchall()
    night(fails=False)
    with Memory(memory.path) as again:
        assert again.count_pending() == 0
        assert len(again.connection.execute("SELECT * FROM nights").fetchall()) == 1


@contextmanager
def busy(path):
    """Another connection, in the middle of writing."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield other
    other.close()


def test_a_busy_file_is_waited_for_then_said_plainly(memory):
    with Memory(memory.path, wait=0.05) as hasty:
        with busy(memory.path):
            for act in (lambda: hasty.add([exchange(1)]), hasty.count, lambda: list(hasty.all())):
                with pytest.raises(UserError, match="another process keeps it busy"):
                    act()
        assert hasty.add([exchange(1)]).new == 1


def test_a_slow_import_does_not_lock_others_out(memory):
    with Memory(memory.path, wait=0.05) as other:

        def slow():
            yield exchange(1)
            other.add([exchange(2)])
            yield exchange(3)

        assert memory.add(slow()).new == 2
    assert [one.prompt for one in memory.all()] == [exchange(number).prompt for number in (2, 1, 3)]


def test_several_processes_add_at_once(tmp_path):
    code = (
        "import sys; from sleepcon.memory import Memory; from sleepcon.experience import Experience\n"
        "for number in range(20):\n"
        "    with Memory(sys.argv[1]) as memory: memory.add([Experience(f'{sys.argv[2]} {number}?', 'Yes.')])"
    )
    path = str(tmp_path / "memory.sqlite")
    running = [subprocess.Popen([sys.executable, "-c", code, path, name], cwd=ROOT) for name in "ab"]
    assert [process.wait(60) for process in running] == [0, 0]
    with Memory(path) as memory:
        assert memory.count() == 40


@pytest.mark.parametrize("rows", [10, 20_000])
def test_a_killed_process_leaves_the_memory_as_it_was(tmp_path, rows):
    # 20,000 rows outgrow the page cache, so that the file itself has been half written when the process dies.
    code = (
        "import os, signal, sys; from sleepcon.memory import Memory; from sleepcon.experience import Experience\n"
        "memory = Memory(sys.argv[1]); memory.connection.execute('PRAGMA cache_size = 100')\n"
        "memory.connection.execute('BEGIN IMMEDIATE')\n"
        "memory.add(Experience(f'{n}?', 'Yes.' * 20) for n in range(int(sys.argv[2])))\n"
        "memory.mark_consolidated(['kept'], 1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "memory.sqlite"
    with Memory(path) as memory:
        memory.add([exchange(1, id="kept", salience=1)])
    size = path.stat().st_size
    died = subprocess.run([sys.executable, "-c", code, str(path), str(rows)], cwd=ROOT, timeout=120, check=False)
    assert died.returncode < 0
    assert rows == 10 or path.stat().st_size > size
    with Memory(path) as memory:
        assert [one.id for one in memory.pending(0)] == ["kept"]
        assert memory.count() == 1
        assert memory.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_files_that_are_no_memory(tmp_path):
    text = tmp_path / "text.sqlite"
    text.write_text("not a database, " * 100)
    with pytest.raises(UserError, match="not a database"):
        Memory(text)
    with pytest.raises(UserError, match="cannot be opened"):
        Memory(tmp_path / "no folder" / "memory.sqlite")
    assert text.read_text() == "not a database, " * 100


def test_the_journal_is_not_a_wal_and_every_commit_is_flushed(memory):
    assert memory.connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    assert memory.connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_memory_works_in_the_thread_that_made_it(tmp_path):
    def work():
        with Memory(tmp_path / "memory.sqlite") as memory:
            counts.append(memory.add([exchange(1)]).new)

    counts = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert counts == [1]
    assert os.listdir(tmp_path).count("memory.sqlite") == 1


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (lambda memory: list(memory.pending(0.5)), "experiences_pending"),
        (lambda memory: list(memory.pending_with_salience(0.5, measured=True)), "experiences_measured"),
        (lambda memory: list(memory.unscored()), "experiences_pending"),
        (lambda memory: list(memory.consolidated(1)), "experiences_consolidated"),
        (lambda memory: memory.count_pending(), "experiences_consolidated"),
        (lambda memory: memory.weigh({"surprise": 1.0}), "experiences_measured"),
    ],
)
def test_what_selects_uses_an_index(memory, read, index):
    memory.add([exchange(1, salience=0.9), exchange(2)])
    said = []
    memory.connection.set_trace_callback(said.append)
    read(memory)
    memory.connection.set_trace_callback(None)
    first = next(sql for sql in said if " experiences " in sql and "WHERE" in sql)
    plan = " ".join(row[3] for row in memory.connection.execute(f"EXPLAIN QUERY PLAN {first}"))
    assert f"INDEX {index}" in plan


def test_a_filled_and_a_grown_memory_are_the_same(tmp_path):
    given = [exchange(number % 40, session=number % 3, salience=number % 7 / 7) for number in range(100)]
    with Memory(tmp_path / "filled") as filled, Memory(tmp_path / "grown") as grown:
        filled.add(given)
        for one in with_ids(given):
            grown.add([one])
        schema = "SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name"
        for question in (schema, "SELECT * FROM experiences ORDER BY position", "PRAGMA integrity_check"):
            assert filled.connection.execute(question).fetchall() == grown.connection.execute(question).fetchall()


def test_a_memory_from_before_is_brought_up_to_date(tmp_path):
    with Memory(tmp_path / "m") as memory:
        memory.add([exchange(1, id="a"), exchange(2, id="b")])
        memory.set_scores("a", SCORES)
        for old in ("TABLE weighed", "TABLE unweighed", "INDEX experiences_measured"):
            memory.connection.execute(f"DROP {old}")
    with Memory(tmp_path / "m") as memory:
        memory.weigh({"surprise": 1.0, "reward": 0.0})
        assert memory.standing("a").measured == pytest.approx(0.2)
        assert [one.id for one in memory.pending(0.1, measured=True)] == ["a"]


def test_weighing_looks_only_at_what_is_new(memory):
    memory.add([exchange(1, id="a"), exchange(2, id="b"), exchange(3, id="c")])
    memory.set_scores("a", SCORES, total=0.9)
    memory.set_scores("c", SCORES)
    memory.mark_consolidated(["c"], 1)
    one_sided = {"surprise": 3.0, "reward": 1.0}
    memory.weigh(one_sided)
    assert memory.standing("a").measured == pytest.approx((3 * 0.2 + 0.8) / 4)
    assert memory.standing("c").measured == pytest.approx(0.5)  # what a night has learned stays
    memory.connection.execute("UPDATE experiences SET measured = 0.111 WHERE id = 'a'")  # to see whether it is touched
    memory.set_scores("b", SCORES)
    memory.weigh({"reward": 2.0, "surprise": 6.0})  # the same weights, spelled otherwise
    assert (memory.standing("a").measured, memory.standing("b").measured) == (0.111, pytest.approx(0.35))
    memory.weigh({"surprise": 0.0, "reward": 1.0})
    assert memory.standing("a").measured == memory.standing("b").measured == pytest.approx(0.8)
    memory.weigh(one_sided)
    assert memory.standing("a").measured == pytest.approx(0.35)
