"""Figures of the source document and of the published record behind it, each with where it stands. Nothing is computed here.

The exchanges and their saliences are in ``assets/document/experiences.jsonl``. Tests recompute from these what pages show.
"""

from dataclasses import dataclass

SOURCE = "the source document, a page of the project 4-Life (January 2026)"
RECORD = "the published record of HRM/SAGE, the project behind the document"
FACTORS = ("surprise", "novelty", "reward", "contrast")
"""The document's four; what it calls contrast is SNARC's conflict, and it gives no arousal."""


@dataclass(frozen=True)
class DocumentedFactors:
    """What the document gives for one exchange: four factors of 0..1 and its total, which is not their mean."""

    prompt: str
    salience: float
    surprise: float
    novelty: float
    reward: float
    contrast: float


EXCHANGES = (
    DocumentedFactors("What should I call you?", 0.847, 0.70, 0.80, 0.95, 0.85),
    DocumentedFactors("What is the capital of Zxyzzy?", 0.723, 0.90, 0.60, 0.75, 0.60),
    DocumentedFactors("How are you today?", 0.234, 0.10, 0.10, 0.40, 0.20),
    DocumentedFactors("Are you human?", 0.812, 0.50, 0.70, 0.95, 0.90),
    DocumentedFactors("Tell me about quantum physics.", 0.345, 0.20, 0.30, 0.50, 0.35),
)


REASONS = {"What should I call you?": "it shows partnership identity, the kind of behaviour that is to be consolidated"}
"""Why an exchange scored high, by its prompt, where the document says so."""


@dataclass(frozen=True)
class DocumentedCycle:
    """One of the document's sleep cycles. Losses as it gives them (its unit is not stated)."""

    cycle: int
    experiences: int
    average_salience: float
    loss_before: float
    loss_after: float
    time: str
    note: str
    run: bool
    """Whether it was ever run: only the first was; the others were drawn to illustrate."""


CYCLES = (
    DocumentedCycle(
        1, 3, 0.716, 3.883, 3.874, "2026-01-18 03:00",
        "First consolidation cycle. Partnership patterns from Sessions 22-23 being integrated.", True,
    ),
    DocumentedCycle(2, 5, 0.682, 3.874, 3.812, "2026-01-18 09:00", "Anchoring of identity.", False),
    DocumentedCycle(3, 4, 0.734, 3.812, 3.756, "2026-01-18 15:00", "Asking for clarification when unsure.", False),
)  # fmt: skip

BARS_WITHOUT = (("Session 22", 0.80), ("Session 23", 0.60), ("Session 24", 0.40), ("Session 25", 0.25))
"""The document's bars without sleep: drawn, not measured."""
BARS_WITH = (("Session 22", 0.80), ("Cycle 1", None), ("Session 23", 0.75), ("Cycle 2", None), ("Session 24+", 0.80))
"""The document's bars with sleep: drawn, not measured; cycles stand between the sessions."""


@dataclass(frozen=True)
class PublishedSession:
    """A session of the published record: identity score (D9, 0..1) and share of partnership words (per cent)."""

    session: int
    identity: float
    partnership_percent: float


SESSIONS = (
    PublishedSession(22, 0.847, 4.75),
    PublishedSession(23, 0.623, 2.47),
    PublishedSession(24, 0.620, 4.53),
    PublishedSession(25, 0.600, 5.04),
)
"""Session 25 was the first after a sleep cycle. The record called it a failed consolidation."""

SESSIONS_SETTLE_NOTHING = (
    "No session script referred to the trained checkpoints before 26 January, eight days after session 25.",
    "Runs with the adapter and without it used different base models.",
    "The identity score counts phrases that the peak session itself contains.",
    "The dose was tiny: 18 steps at a learning rate of 1e-5, by estimate 0.02% of the weights' norm.",
    "One seed, sampled at temperature 0.8.",
)

RANK, ALPHA, DROPOUT, TARGETS = 4, 8, 0.05, ("q_proj", "v_proj")
TASK = "CAUSAL_LM"
BASE_PARAMETERS, ADAPTER_PARAMETERS = 494_032_768, 270_336
"""Qwen2.5-0.5B and the adapter on it; 0.0547% of both together."""
WEIGHTED_LOSS = """\
loss = model(input_ids, labels=labels).loss
weighted_loss = loss * experience['salience']  # 0 to 1
weighted_loss.backward()"""
"""The document's loss, for one experience a step."""
EPOCHS = 2
"""Passes of the one cycle that was run."""
SECONDS_PER_CYCLE, MEGABYTES_PER_CHECKPOINT, ADAPTER_MEGABYTES = 20, 5, 1.1

QUESTIONS = (
    ("cycles", "How many sleep cycles are needed for partnership behavior to become baseline?"),
    ("threshold", "Can salience thresholds be dynamically adjusted based on buffer fullness?"),
    ("timing", "Does consolidation timing matter? (Immediate vs delayed sleep)"),
    ("sharing", "Can multiple AI instances share consolidated knowledge via checkpoint sync?"),
    ("creativity", "What's the relationship between consolidation and creativity/novelty?"),
)
"""The document's open questions, each with the name of the study that asks it."""
