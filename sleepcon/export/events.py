"""The ledger as TensorBoard event files, which trackio and others import too."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import scalar

from sleepcon.export.tables import figures, steps
from sleepcon.ledger import Cycle

NAME = "events.out.tfevents.{:.0f}.sleepcon"
"""What TensorBoard looks for, with no name of the machine in it; the number is when the first night began."""
VERSION = "brain.Event:2"


def write_events(nights: list[Cycle], folder: Path) -> None:
    """Write two runs: ``steps`` (the loss of every training step) and ``nights`` (the figures of each night, by its number)."""
    began = datetime.fromisoformat(nights[0].started).timestamp()
    write_run(folder / "steps", began, ((row, "loss") for row in steps(nights)))
    flat = figures(nights)
    write_run(folder / "nights", began, ((row, tag) for row in flat for tag in row if tag not in ("step", "timestamp")))


def write_run(folder: Path, began: float, values: Iterable[tuple[dict, str]]) -> None:
    """Write an event file of scalars: of each row the column ``tag``, at its ``step`` and ``timestamp``."""
    folder.mkdir(parents=True)
    writer = RecordWriter(str(folder / NAME.format(began)))
    writer.write(Event(wall_time=began, file_version=VERSION).SerializeToString())
    for row, tag in values:
        time = datetime.fromisoformat(row["timestamp"]).timestamp()
        writer.write(Event(wall_time=time, step=row["step"], summary=scalar(tag, row[tag])).SerializeToString())
    writer.close()
