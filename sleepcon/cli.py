"""The command line. Exit code 0: done; 2: bad usage or input, one line on standard error and nothing changed; 1: failure.

With ``--json`` the result is one JSON document on standard output; progress goes to standard error either way.
"""

import argparse
import json
import math
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from sleepcon import __version__
from sleepcon.controls import CONTROLS
from sleepcon.errors import UserError
from sleepcon.experience import Experience, read_experiences, with_ids
from sleepcon.paths import brain_folder, home, offline_unless_asked
from sleepcon.studies.command import add_options as study_options

LONG_FILE = 100_000


class Failed(Exception):
    """What went wrong after the input was accepted: exit code 1."""


class Parser(argparse.ArgumentParser):
    """argparse, with one line for an error instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where help is, and exit with code 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def number(low: float, high: float, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """A parser for a finite number from ``low`` to ``high``."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            sort = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"{text!r} is not a {sort} from {low:.10g} to {high:.10g}")
        return value

    return parse


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    common = Parser(add_help=False)
    common.add_argument("--home", type=Path, help="folder that holds brains (default: SLEEPCON_HOME, else ~/.sleepcon)")
    common.add_argument("--brain", default="default", help="name of the brain (default: default)")
    common.add_argument("--model", help="embedded, a folder, or a Hugging Face name (default: the brain's, else embedded)")
    common.add_argument("--json", action="store_true", help="print one JSON document")
    parser = Parser(prog="sleepcon", description="See, touch and test how a language model learns in its sleep.")
    parser.add_argument("--version", action="version", version=f"sleepcon {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)

    def command(name: str, run: Callable[[argparse.Namespace], Any], text: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=text, parents=[common])
        found.set_defaults(run=run)
        return found

    app = command("app", run_app, "open the web app")
    app.add_argument("--host", default="127.0.0.1")
    app.add_argument("--port", type=number(1, 65535, int), default=8501)
    score = command("score", run_score, "measure the salience of each experience in a file")
    score.add_argument("file", metavar="FILE", help="JSONL or JSON; - reads standard input")
    sleep = command("sleep", run_sleep, "put a file's experiences into memory and run one night")
    sleep.add_argument("file", metavar="FILE", nargs="?", help="JSONL or JSON; - reads standard input; none: what is in memory")
    sleep.add_argument("--threshold", type=number(0, 1), default=0.6, help="least salience that is consolidated (default: .6)")
    sleep.add_argument("--seed", type=number(0, 2**31 - 1, int), default=0)
    sleep.add_argument("--epochs", type=number(1, 1000, int), help="passes over the day (default: the base's)")
    sleep.add_argument("--lr", type=number(0, 9.99), help="learning rate (default: the base's)")
    sleep.add_argument("--recipe", choices=("default", "document"), default="default")
    sleep.add_argument(
        "--control", choices=tuple(CONTROLS), default="", help="a control night in its place (docs/protocols.md)"
    )
    sleep.add_argument("--dry-run", action="store_true", help="say who would sleep and how long; change nothing")
    ask = command("ask", run_ask, "ask the brain something")
    ask.add_argument("prompt", metavar="PROMPT")
    ask.add_argument("--cycle", type=number(0, 10**9, int), help="as it was after this night; 0: before any")
    ask.add_argument("--dose", type=number(0, 1.5), default=1.0, help="scale of the adapter, 0 to 1.5 (default: 1)")
    ask.add_argument("--context", default="", metavar="TEXT", help="a written note in front of the prompt")
    command("history", run_history, "list the nights")
    bring = command("import", run_import, "put a file's experiences into memory, or restore a brain from an exported folder")
    bring.add_argument("file", metavar="FILE", help="JSONL or JSON; - reads standard input; or a folder that export wrote")
    export = command("export", run_export, "write adapter, metrics, samples, the brain itself and a manifest into a new folder")
    export.add_argument("folder", metavar="DIR", type=Path)
    export.add_argument(
        "--merged", action="store_true", help="also write base and adapter as one model; says what rounding took"
    )
    export.add_argument("--verify", action="store_true", help="check an exported folder against its manifest; write nothing")
    study_options(command("study", run_study, "run a research protocol; none named: which there are"), number)
    command("doctor", run_doctor, "check the installation")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    args = build_parser().parse_args(arguments)
    offline_unless_asked(args.model)
    try:
        result = args.run(args)
    except UserError as error:
        print(f"sleepcon: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sleepcon: stopped; the brain is as it was.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except (OSError, Failed) as error:
        print(f"sleepcon: {error}", file=sys.stderr)
        return 1
    if args.json and result is not None:
        print(json.dumps(result, ensure_ascii=False))
    return 0 if args.command != "doctor" or result["ok"] else 1


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def open_brain(args: argparse.Namespace, where: Path | None = None, base: Any = None) -> Any:
    """The brain that the options name, with what it has to say after a crash said."""
    from sleepcon.brain import Brain

    brain = Brain.open(args.brain, args.model, where or args.home, base)
    for notice in brain.notices:
        say(notice)
    return brain


def known_brain(args: argparse.Namespace) -> bool:
    """Whether the brain is there already."""
    return (brain_folder(args.brain, args.home) / "memory.sqlite").exists()


def run_app(args: argparse.Namespace) -> None:
    """Start the web app; returns when it ends."""
    from sleepcon.ui import serve

    serve(args.host, int(args.port), args.model, args.home)


def in_file(path: str) -> list[Experience]:
    """The experiences of ``path``, each with its id."""
    return list(with_ids(read_experiences(path)))


def run_score(args: argparse.Namespace) -> list[dict]:
    """Measure every experience of the file against the brain; nothing is stored."""
    from sleepcon.salience import FACTORS

    experiences = in_file(args.file)
    with tempfile.TemporaryDirectory() as beside:
        brain = copy_of(args, Path(beside))
        rows = [
            {
                "id": experience.id, "prompt": experience.prompt, "response": experience.response,
                "salience": scores.total(), **{name: getattr(scores, name).value for name in FACTORS},
                "documented_salience": experience.salience,
                "evidence": {name: getattr(scores, name).evidence for name in FACTORS},
            }
            for experience, scores in zip(experiences, brain.score(experiences) if experiences else [], strict=True)
        ]  # fmt: skip
        brain.close()
    if not args.json:
        for row in rows:
            print(f"{row['salience']:.3f}  {row['prompt'][:60]}")
    return rows


def copy_of(args: argparse.Namespace, beside: Path) -> Any:
    """A copy of the brain (or a new one) in a folder of its own: whatever happens to it changes nothing."""
    if known_brain(args):
        folder, copy = brain_folder(args.brain, args.home), beside / args.brain
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("lock", "asleep.json", "*.part", "memory.sqlite*"))
        # SQLite's own copy is whole even while a night or an import writes.
        with closing(sqlite3.connect(folder / "memory.sqlite")) as old, closing(sqlite3.connect(copy / "memory.sqlite")) as new:
            old.backup(new)
    return open_brain(args, beside)


def run_sleep(args: argparse.Namespace) -> dict:
    """Import the file, if one is given, and run one night."""
    from sleepcon.adapter import remarks
    from sleepcon.night import Order
    from sleepcon.selection import NothingToConsolidate, choose

    experiences = in_file(args.file) if args.file else []
    with tempfile.TemporaryDirectory() as beside:
        trial = copy_of(args, Path(beside))
        trial.remember(experiences)
        considered, chosen = choose(trial, Order(args.threshold, args.seed, args.recipe, control=args.control))
        said_of_base = remarks(trial.base)
        plan = trial.plan(args.threshold, None, args.recipe, args.epochs, args.control, args.seed) if args.dry_run else None
        base = trial.base
        trial.close()
    if plan:
        say("\n".join(said_of_base))
        result = {
            "considered": plan.considered, "would_sleep": [vars_of(experience) for experience in plan.selected],
            "tokens": plan.tokens, "predicted_seconds": plan.predicted_seconds,
        }  # fmt: skip
        if not args.json:
            for experience in plan.selected:
                print(f"would sleep: {experience.prompt}")
            print(f"{len(plan.selected)} of {plan.considered}, {plan.tokens} tokens, about {plan.predicted_seconds:.0f} s")
        return result
    if not chosen:
        raise NothingToConsolidate(considered, args.threshold)
    brain = open_brain(args, base=base)
    brain.check_awake()
    say("\n".join(said_of_base))
    added = brain.remember(experiences)
    say(f"{added.new} experiences are new, {added.duplicates} were in memory already.")
    try:
        cycle = brain.sleep(
            args.threshold,
            args.seed,
            args.recipe,
            args.epochs,
            args.lr,
            control=args.control,
            on_event=lambda event: say(event.message),
        )
    except UserError as error:
        raise Failed(f"{error} The experiences are in memory.") from error
    if not args.json:
        print_cycle(cycle)
    return cycle.as_dict()


def vars_of(experience: Experience) -> dict:
    """What a dry run says of an experience."""
    return {"id": experience.id, "prompt": experience.prompt, "response": experience.response}


def print_cycle(cycle: Any) -> None:
    """A night in words, for a person."""
    mean = f"mean salience {cycle.average_salience:.3f}"
    print(f"Night {cycle.cycle}: {cycle.consolidated} of {cycle.considered} experiences, {mean}")
    print(f"loss {cycle.loss_before:.3f} -> {cycle.loss_after:.3f} nats per token, {cycle.seconds:.1f} s")
    for reply in cycle.replies:
        print(f"\n  {reply['prompt']}\n    before: {reply['before']}\n    after:  {reply['after']}")
    print()
    for check in cycle.checks:
        print(f"  {'ok ' if check['passed'] else 'NO '} {check['sentence']}")
    same = "unchanged" if cycle.base_sha256_before == cycle.base_sha256_after else "CHANGED"
    print(f"  base {cycle.base_sha256_after[:12]} {same}")
    print("Kept." if cycle.kept else "Rolled back.", " ".join(cycle.reasons))


def run_ask(args: argparse.Namespace) -> dict:
    """One greedy reply, stamped."""
    with tempfile.TemporaryDirectory() as beside:
        brain = open_brain(args) if known_brain(args) else copy_of(args, Path(beside))
        answer = brain.ask(args.prompt, args.cycle, args.dose, args.context)
        for note in brain.base.template.notes:
            say(note)
        brain.close()
    if not args.json:
        print(answer.text)
    return {
        "reply": answer.text, "base_sha256": answer.base_sha256, "adapter_sha256": answer.adapter_sha256,
        "cycle": answer.cycle, "dose": answer.dose,
    }  # fmt: skip


def run_history(args: argparse.Namespace) -> list[dict]:
    """Every night of the brain."""
    rows = open_brain(args).history() if known_brain(args) else []
    if not args.json:
        for row in rows:
            print(
                f"{row.cycle:4d}  {row.started}  {row.consolidated} experiences, salience {row.average_salience:.3f},"
                f" loss {row.loss_before:.3f} -> {row.loss_after:.3f}, {'kept' if row.kept else 'rolled back'}"
            )
        if not rows:
            print(f"The brain {args.brain} has had no night.")
    return [row.as_dict() for row in rows]


def run_import(args: argparse.Namespace) -> dict:
    """Put the file's experiences into memory, all or none; or make a brain from an exported folder."""
    from sleepcon.beside import made_beside

    if Path(args.file).expanduser().is_dir():
        return run_restore(args)
    target = brain_folder(args.brain, args.home).absolute()
    if target.exists():
        result = take_in(open_brain(args), args.file)
    else:  # a new brain is only made when its model can be had and the file is whole
        with made_beside(target) as part:
            result = take_in(open_brain(args, part.parent), args.file)
    if not args.json:
        again, twice = f"{result['repeats']} of them say again what another says", f"{result['duplicates']} duplicates left out"
        print(f"{result['new']} new ({again}), {twice}; {result['in_memory']} in all.")
    return result


def take_in(brain: Any, file: str) -> dict:
    """Stream a file into the brain's memory, whole or not at all, and close the brain."""
    with closing(brain):
        added = brain.remember(read_experiences(file))
        return {
            "new": added.new, "duplicates": added.duplicates, "repeats": added.repeats, "in_memory": brain.memory.count(),
        }  # fmt: skip


def run_restore(args: argparse.Namespace) -> dict:
    """Make a brain from an exported folder."""
    from sleepcon.restore import restore

    with closing(restore(args.file, args.brain, args.home, args.model)) as brain:
        for notice in brain.notices:
            say(notice)
        result = {"brain": brain.name, "model": brain.model, "nights": len(brain.history()), "in_memory": brain.memory.count()}
    if not args.json:
        print(f"The brain {brain.name} is back: {result['nights']} nights, {result['in_memory']} experiences in memory.")
    return result


def run_export(args: argparse.Namespace) -> dict:
    """Write what the brain is and has learned into a new folder; or check one that was written."""
    from sleepcon.export import export
    from sleepcon.export.manifest import verify

    if args.verify:
        manifest = verify(args.folder)
        if not args.json:
            print(f"All {len(manifest['files'])} files in {args.folder} are as they were exported.")
        return manifest
    if not known_brain(args):
        raise UserError(f"There is no brain called {args.brain} in {home(args.home)}: run sleepcon sleep first.")
    with closing(open_brain(args)) as brain:
        manifest = export(brain, args.folder, args.merged)
    if not args.json:
        print(f"Wrote {len(manifest['files'])} files into {args.folder}, among them the brain's whole memory.")
        if args.merged:
            from sleepcon.export.merged import Rounding

            print(Rounding(**manifest["merged"]).sentence())
    return manifest


def run_study(args: argparse.Namespace) -> Any:
    """A research protocol, or the list of them."""
    from sleepcon.studies import command

    return command.run(args)


def run_doctor(args: argparse.Namespace) -> dict:
    """What is installed and whether it works."""
    from sleepcon.doctor import examine

    result = examine(args.model or "embedded")
    if not args.json:
        for line in result["lines"]:
            print(line)
    if not result["ok"]:
        say("sleepcon: something is missing; the lines that start with NO say what.")
    return result


if __name__ == "__main__":
    sys.exit(main())
