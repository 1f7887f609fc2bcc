"""The ledger: one row for every night that ended, kept or rolled back."""

import json
import sqlite3
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Cycle:
    """What one night did. Losses in nats per token, times in seconds, hashes as hexadecimal SHA-256.

    ``seconds`` runs from the base being loaded to the end of the wake-up check; ``training_seconds`` counts the steps.
    ``replies``: for each experience prompt, taught, before, after, learned, salience, weight in the loss, share of the
    gradient, and ``tokens``: the taught reply's tokens, each [text, log-probability before the night, after it]. ``losses``:
    for each experience its own loss by step, [step, nats per token]. ``change``: for each module the norm of the night's and
    all earlier nights' change over that of its weight.
    ``measured``: whether only measured salience decided; ``weights``: what each of its factors counted for (empty: alike).
    ``control``: which of ``controls.CONTROLS`` the night was (empty: none).
    ``checks``: the wake-up check, figure by figure. ``curve``: the loss of each step. ``dreamt``: rewordings trained on.
    """

    cycle: int
    considered: int
    consolidated: int
    average_salience: float
    loss_before: float
    loss_after: float
    base_sha256_before: str
    base_sha256_after: str
    adapter_sha256: str
    kept: bool
    reasons: list[str]
    training_seconds: float
    seconds: float
    adapter_path: str | None
    threshold: float
    seed: int
    recipe: str
    learning_rate: float
    epochs: int
    started: str
    model: str
    replies: list[dict] = field(default_factory=list)
    checks: list[dict] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)
    dreamt: list[dict] = field(default_factory=list)
    losses: list[list] = field(default_factory=list)
    change: dict[str, float] = field(default_factory=dict)
    measured: bool = False
    weights: dict[str, float] = field(default_factory=dict)
    control: str = ""

    def as_dict(self) -> dict:
        """The row as JSON types: the document that ``sleepcon sleep --json`` prints."""
        return asdict(self)


class Ledger:
    """The cycles table, in the same SQLite file as the memory, so that one transaction covers both."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection
        connection.execute("CREATE TABLE IF NOT EXISTS cycles (cycle INTEGER PRIMARY KEY, row TEXT NOT NULL)")

    def enter(self, cycle: Cycle) -> None:
        """Insert a row; part of the transaction that is open on the connection."""
        self.connection.execute("INSERT INTO cycles VALUES (?, ?)", (cycle.cycle, json.dumps(cycle.as_dict())))

    def rows(self) -> list[Cycle]:
        """Every night, oldest first."""
        found = self.connection.execute("SELECT row FROM cycles ORDER BY cycle").fetchall()
        return [Cycle(**json.loads(row)) for (row,) in found]
