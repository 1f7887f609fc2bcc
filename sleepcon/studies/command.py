"""The command ``sleepcon study``: its options, its progress bar and what it prints."""

import argparse
import sys
from collections.abc import Callable

from sleepcon import studies

LIST = "list"


def add_options(parser: argparse.ArgumentParser, number: Callable[..., Callable[[str], float]]) -> None:
    """The options beside those that all commands have. ``number``: the command line's maker of parsers for numbers."""
    parser.add_argument(
        "name", metavar="NAME", nargs="?", default=LIST, help=f"{', '.join(studies.NAMES)}; none: what each asks"
    )
    parser.add_argument("--seeds", type=number(1, 1000, int), help="seeds 0 to N-1 (default: the study's own, 5)")
    parser.add_argument("--jobs", type=number(1, 4096, int), help="runs at a time (default: one for each core)")
    parser.add_argument("--backend", default="loky", help="what spreads the runs: loky (this machine) or ray (a cluster)")
    parser.add_argument("--small", action="store_true", help="a small version: one seed, fewest arms")


def run(args: argparse.Namespace) -> list[dict] | dict:
    """List the studies, or run one and print its table."""
    if args.name == LIST:
        return told(args.json)
    study = studies.find(args.name)
    from tqdm import tqdm

    from sleepcon.sleep import Event
    from sleepcon.studies import results, runner

    runner.check_backend(args.backend)
    with tqdm(unit="run", desc=study.name, file=sys.stderr, dynamic_ncols=True) as bar:

        def tell(event: Event) -> None:
            """What was there before the start is no work done: it counts in the total, not in the time left."""
            if bar.total is None:
                bar.total, bar.initial = event.steps, event.step or 0
            bar.n = event.step or 0
            bar.set_postfix_str(event.message, refresh=True)

        found = runner.run_study(
            study, args.model or "embedded", args.home, args.seeds, args.jobs, args.backend, args.small, on_event=tell
        )
    if not args.json:
        print(results.table(found))
        print(f"Every run: {found['files']['runs']}; the summary: {found['files']['summary']}.")
    return found


def told(as_json: bool) -> list[dict]:
    """What each study asks, and what it supposes."""
    rows = [studies.find(name).describe() for name in studies.NAMES]
    for row in [] if as_json else rows:
        print(
            f"{row['name']}: {row['question']}\n  {row['hypothesis']}\n  {len(row['arms'])} arms, {len(row['seeds'])} seeds\n"
        )
    return rows
