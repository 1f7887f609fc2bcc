"""What the runs of a study say: means with intervals, a table of every run, and the table that is printed."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from sleepcon import __version__
from sleepcon.brain import write_whole
from sleepcon.statistics import interval, paired_interval
from sleepcon.studies.protocol import Study

NUMBER = {"mean": None, "low": None, "high": None, "n": 0}


def summary(study: Study, runs: Sequence[dict]) -> dict:
    """All that the study states in advance, and what came out, as JSON types.

    ``arms``: for each arm and figure ``mean``, ``low``, ``high`` (the 95% interval over seeds, ``None`` below two of them) and
    ``n``, with ``difference``: the same for the arm less the control arm, paired by seed, over the seeds that both have.
    ``runs``: the runs without what only their own files need.
    """
    arms = list(dict.fromkeys(run["arm"] for run in runs))
    values = {
        arm: {name: {run["seed"]: run["figures"].get(name) for run in runs if run["arm"] == arm} for name in study.figures}
        for arm in arms
    }
    told = {
        arm: {
            name: over_seeds(values[arm][name])
            | {"difference": against(values[arm][name], values.get(study.control, {}).get(name, {}))}
            for name in study.figures
        }
        for arm in arms
    }
    return {
        "study": study.describe(), "made": datetime.now(UTC).date().isoformat(), "version": __version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors", "model": runs[0]["model"],
        "base_sha256": runs[0]["base_sha256"], "program": runs[0]["program"], "seeds": sorted({run["seed"] for run in runs}),
        "seconds": sum(run["seconds"] for run in runs), "failed": sum("failed" in run for run in runs),
        "arms": told, "runs": [dict(run) for run in runs],
    }  # fmt: skip


def over_seeds(values: dict[int, float | None]) -> dict:
    """Mean and interval of the seeds that have a value."""
    there = [value for value in values.values() if value is not None]
    if len(there) < 2:
        return NUMBER | {"mean": there[0] if there else None, "n": len(there)}
    return asdict(interval(there))


def against(values: dict[int, float | None], control: dict[int, float | None]) -> dict:
    """Mean and interval of the difference, seed by seed."""
    pairs = [(value, control.get(seed)) for seed, value in values.items()]
    there = [(mine, other) for mine, other in pairs if mine is not None and other is not None]
    if len(there) < 2:
        return NUMBER | {"mean": there[0][0] - there[0][1] if there else None, "n": len(there)}
    return asdict(paired_interval([mine for mine, _ in there], [other for _, other in there]))


def frame(runs: Sequence[dict]) -> pd.DataFrame:
    """A row for each run: where it comes from (hashes, seed, arm), its figures, and settings, nights and the rest as JSON."""
    rows = []
    for run in runs:
        plain = {name: run[name] for name in ("study", "arm", "seed", "model", "base_sha256", "program", "seconds")}
        rest = {name: value for name, value in run.items() if name not in (*plain, "figures", "settings", "nights")}
        rows.append(
            plain
            | {"adapter_sha256": [night["adapter_sha256"] for night in run["nights"] if night]}
            | {f"figure.{name}": value for name, value in run["figures"].items()}
            | {name: json.dumps(run[name]) for name in ("settings", "nights")}
            | {"more": json.dumps(rest)}
        )
    return pd.DataFrame(rows).astype(dict.fromkeys({n for row in rows for n in row if n.startswith("figure.")}, float))


def write_results(folder: Path, found: dict, runs: Sequence[dict], small: bool) -> dict[str, str]:
    """Write ``runs.parquet`` and ``summary.json`` and return where they are.

    A small version has names of its own, for it must not replace the whole one.
    """
    mark = "-small" if small else ""
    paths = {"runs": folder / f"runs{mark}.parquet", "summary": folder / f"summary{mark}.json"}
    part = folder / f"runs{mark}.part"
    frame(runs).to_parquet(part, index=False)
    part.replace(paths["runs"])
    write_whole(paths["summary"], json.dumps(found, ensure_ascii=False))
    return {name: str(path) for name, path in paths.items()}


def table(found: dict) -> str:
    """The summary for a person: for each figure the arms, each with its mean and its difference from the control arm."""
    study, lines = found["study"], []
    seeds, control = found["seeds"], study["control"]
    lines += [f"{study['name']}: {study['question']}", f"Hypothesis: {study['hypothesis']}", ""]
    width = max(map(len, found["arms"])) + 2
    for name, words in study["figures"].items():
        lines.append(f"{name}: {words}")
        lines.append(f"  {'':{width}}{'mean':>8}   less {control}, 95% interval")
        for arm, figures in found["arms"].items():
            value = figures[name]
            difference = "" if arm == control else interval_words(value["difference"])
            lines.append(f"  {arm:{width}}{number(value['mean']):>8}   {difference}".rstrip())
        lines.append("")
    lines.append(
        f"{len(found['runs'])} runs, {len(seeds)} seeds, base {found['base_sha256'][:12]}, {found['seconds']:.0f} s of work."
    )
    if found["failed"]:
        lines.append(f"Runs that did not come to their end and have no figures: {found['failed']}.")
    if len(seeds) < len(study["seeds"]):
        lines.append(f"Fewer than {len(study['seeds'])} seeds: an observation, not an answer.")
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Three places, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def interval_words(value: dict) -> str:
    """A difference with its interval; a star where the interval leaves 0 out."""
    if value["mean"] is None:
        return "-"
    if value["low"] is None:
        return f"{value['mean']:+.3f}"
    star = " *" if value["low"] > 0 or value["high"] < 0 else ""
    return f"{value['mean']:+.3f} [{value['low']:+.3f}, {value['high']:+.3f}]{star}"
