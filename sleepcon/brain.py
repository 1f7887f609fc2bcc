"""A brain: a frozen base, a chain of nights, a memory and a ledger, together in one folder.

    brain = Brain.open("demo")
    brain.remember(Experience("What should I call you?", "I am Orlo.", salience=0.9))
    cycle = brain.sleep(threshold=0.6)
    brain.ask("Who are you?").text

The folder: ``brain.json`` (which base), ``memory.sqlite`` (memory and ledger), ``cycles/0001`` and so on (adapters in
PEFT's format; each holds all that the brain knows after that night). A night is written beside, flushed, renamed, and
only then entered in the ledger, so a crash at any moment leaves the brain as it was.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from sleepcon import adapter, night, salience, selection
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.ledger import Cycle, Ledger
from sleepcon.likeness import likeness
from sleepcon.memory import Added, Memory
from sleepcon.model import Base, chat, generate, load_base, reply_ids
from sleepcon.paths import brain_folder
from sleepcon.salience import Scores, Weights
from sleepcon.sleep import Event

if TYPE_CHECKING:
    from sleepcon.wake import Gates

DEFAULT_THRESHOLD = 0.6
MAX_DOSE = 1.5
ASLEEP = "asleep.json"
TIDYING_SECONDS = 0.5
"""Whoever opens a brain holds its lock for a moment; who holds it for longer has a night."""


@dataclass(frozen=True)
class Answer:
    """A greedy reply, stamped with what said it."""

    text: str
    base_sha256: str
    adapter_sha256: str | None
    cycle: int
    dose: float


@dataclass(frozen=True)
class Plan:
    """Who would sleep and what it costs: ``tokens`` taught in one pass, ``predicted_seconds`` for the whole night."""

    considered: int
    selected: list[Experience]
    tokens: int
    predicted_seconds: float


class Brain:
    """See the module's text. Open one with :meth:`open`."""

    def __init__(self, folder: Path, model: str, base: Base | None):
        self.folder = folder
        self.name = folder.name
        self.model = model
        self.notices: list[str] = []
        self._base = base
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "brain.json").exists():
            write_whole(folder / "brain.json", json.dumps({"model": model}))
        self.memory = Memory(folder / "memory.sqlite")
        self.ledger = Ledger(self.memory.connection)
        self._tidy()

    @classmethod
    def open(
        cls, name: str = "default", model: str | None = None, home: str | Path | None = None, base: Base | None = None
    ) -> "Brain":
        """Open the brain ``name`` under ``home`` (see ``paths.home``), or make it.

        ``model``: "embedded" (the default for a new brain), a folder or a hub name. ``base``: one already loaded, to share.
        Raises ``UserError`` for a name that cannot be a folder's, or a model other than the one the brain was made with.
        """
        folder = brain_folder(name, home)
        known = folder / "brain.json"
        stored = json.loads(known.read_text(encoding="utf-8"))["model"] if known.exists() else None
        wanted = model or (base.name if base else None)
        if wanted and wanted != "embedded" and os.path.isdir(wanted):
            wanted = os.path.abspath(wanted)  # the brain outlives the working directory
        if stored and wanted and stored != wanted:
            raise UserError(f"The brain {name} stands on the model {stored}, not on {wanted}: choose another --brain.")
        if base is None and stored is None and wanted not in (None, "embedded"):
            base = load_base(str(wanted))  # a name that no model has must not become a brain's
        return cls(folder, stored or wanted or "embedded", base)

    @classmethod
    def restore(
        cls,
        folder: str | Path,
        name: str = "default",
        home: str | Path | None = None,
        model: str | None = None,
        base: Base | None = None,
    ) -> "Brain":
        """A brain from a folder that ``sleepcon export`` wrote; see ``restore.py``."""
        from sleepcon.restore import restore

        return restore(folder, name, home, model, base)

    @property
    def base(self) -> Base:
        """The frozen base, loaded at its first use."""
        if self._base is None:
            self._base = load_base(self.model)
        return self._base

    def close(self) -> None:
        """Close the memory's file."""
        self.memory.close()

    def remember(self, experiences: Experience | Iterable[Experience]) -> Added:
        """Put experiences into memory, all or none."""
        return self.memory.add([experiences] if isinstance(experiences, Experience) else experiences)

    def score(self, experiences: Sequence[Experience]) -> list[Scores]:
        """SNARC of each experience under the brain as it is now, in order; no score is stored."""
        salience.reference_of(self.base)
        found = likeness(self.base, self.memory, experiences)
        with adapter.worn(self.base, self.adapter_after(None)):
            return salience.score(self.base, experiences, similarity=found)

    def history(self) -> list[Cycle]:
        """Every night, kept or rolled back, oldest first."""
        return self.ledger.rows()

    def ask(self, prompt: str, cycle: int | None = None, dose: float = 1.0, context: str = "") -> Answer:
        """The greedy reply after night ``cycle`` (0: before any; none given: as the brain is now).

        ``dose`` scales the adapter, 0 to 1.5. ``context``: a written note in front of the prompt.
        """
        if not prompt.strip():
            raise UserError("The prompt is empty: give a question or a sentence.")
        if not 0 <= dose <= MAX_DOSE:
            raise UserError(f"A dose of {dose} cannot be given: choose one from 0 to {MAX_DOSE}.")
        folder = self.adapter_after(cycle)
        with adapter.worn(self.base, folder, dose):
            text = generate(self.base, [chat(prompt, context)])[0]
        last = self.history()[-1].cycle if self.history() else 0
        sha256 = adapter.file_sha256(folder) if folder else None
        return Answer(text, self.base.sha256, sha256, last if cycle is None else cycle, dose)

    def adapter_after(self, cycle: int | None) -> Path | None:
        """Folder of the adapter that the brain wears after night ``cycle``: that of the last one kept until then."""
        rows = self.history()
        if cycle is not None and not 0 <= cycle <= (rows[-1].cycle if rows else 0):
            raise UserError(f"The brain {self.name} has had {rows[-1].cycle if rows else 0} nights: there is no cycle {cycle}.")
        kept = [row.cycle for row in rows if row.kept and (cycle is None or row.cycle <= cycle)]
        return self.folder / "cycles" / f"{kept[-1]:04d}" if kept else None

    def waiting(
        self, threshold: float = DEFAULT_THRESHOLD, weights: Weights | None = None
    ) -> tuple[int, list[tuple[Experience, float]]]:
        """How many experiences wait for a night, and those that pass with their salience; measures what has none yet."""
        return selection.select(self, threshold, weights)

    def plan(
        self,
        threshold: float = DEFAULT_THRESHOLD,
        weights: Weights | None = None,
        recipe: str = "default",
        epochs: int | None = None,
        control: str = "",
        seed: int = 0,
    ) -> Plan:
        """Who would sleep at ``threshold`` and how long it would take; measures what has no salience yet, trains nothing."""
        considered, chosen = selection.choose(self, night.Order(threshold, seed, weights=weights, control=control))
        selected = [experience for experience, _ in chosen]
        tokens = sum(len(reply_ids(self.base, experience.response)) for experience in selected)
        return Plan(
            considered,
            selected,
            tokens,
            night.predicted_seconds(self, selected, night.training_for(self, recipe, epochs, None)),
        )

    def sleep(
        self,
        threshold: float = DEFAULT_THRESHOLD,
        seed: int = 0,
        recipe: str = "default",
        epochs: int | None = None,
        learning_rate: float | None = None,
        weights: Weights | None = None,
        measured: bool = False,
        control: str = "",
        gates: "Gates | None" = None,
        on_event: Callable[[Event], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Cycle:
        """Run one night on what is in memory above ``threshold`` and not yet consolidated; return its row of the ledger.

        ``epochs`` and ``learning_rate`` replace the base's own dose. ``measured``: go by the measured salience even where one
        is documented, each factor counting for what ``weights`` gives it. ``control``: one of ``controls.CONTROLS``, a night
        with one thing taken away or put in its place. ``gates``: limits of the wake-up check other than the usual ones.
        Raises ``UserError`` when nothing passes or another night is under way, ``Stopped`` when ``should_stop`` said so; the
        brain is then as it was.
        """
        with self._asleep(len(self.history()) + 1):
            order = night.Order(threshold, seed, recipe, epochs, learning_rate, weights, measured, control, gates)
            return night.run(self, order, on_event, should_stop)

    def check_awake(self) -> None:
        """Raise ``UserError`` when a night is under way."""
        with self._locked():
            pass

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the brain's lock; ``UserError`` when a night holds it."""
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=TIDYING_SECONDS)
        except Timeout as error:
            raise UserError(f"The brain {self.name} is asleep already: wait until its night is over.") from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _asleep(self, cycle: int) -> Iterator[None]:
        """Hold the brain's lock, with a mark on disk that a crash leaves behind."""
        mark = self.folder / ASLEEP
        with self._locked():
            self._clear_leftovers()
            write_whole(mark, json.dumps({"cycle": cycle}))
            try:
                yield
            finally:
                mark.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """After a crash, put away what it left and say so; leave a night that is under way elsewhere alone."""
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return
        try:
            self._clear_leftovers()
        finally:
            lock.release()

    def _clear_leftovers(self) -> None:
        """Remove the mark of an unfinished night and adapters that the ledger does not know."""
        known = {f"{row.cycle:04d}" for row in self.history() if row.kept}
        cycles = self.folder / "cycles"
        for folder in list(cycles.iterdir()) if cycles.is_dir() else []:
            if folder.name not in known and folder.is_dir():
                shutil.rmtree(folder)
        mark = self.folder / ASLEEP
        if mark.exists():
            cycle = json.loads(mark.read_text(encoding="utf-8"))["cycle"]
            if cycle > len(self.history()):
                before = f"after night {cycle - 1}" if cycle > 1 else "before its first night"
                self.notices.append(f"Night {cycle} did not end. The brain {self.name} is as it was {before}.")
            mark.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a crash leaves either the old one or the new one."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)
