"""Rebuild or measure the embedded base.

    python -m sleepcon.pretrain                  # corpus, tokenizer, training, weights into assets/base
    python -m sleepcon.pretrain report           # print its table and write it into its card
    python -m sleepcon.pretrain pool             # write the questions that a night rehearses

Training checkpoints in --work and goes on from there after a stop.
"""

import argparse
import json
import platform
import sys
from pathlib import Path

import torch

from sleepcon.model import load_base
from sleepcon.paths import ASSETS, EMBEDDED
from sleepcon.pretrain.card import write_base, write_card
from sleepcon.pretrain.conversations import BALANCED, BROAD, FACTS, WORDINGS
from sleepcon.pretrain.corpus import build_corpus, build_tokenizer, load_material
from sleepcon.pretrain.pool import make_pool
from sleepcon.pretrain.report import report
from sleepcon.pretrain.train import Shape, Stage, pretrain

# name, mix, shards of 5,000 conversations, steps of 8,192 tokens, steps over which the rate falls
# (a shard holds 69 to 77 such steps; in the last stage nights are practised)
PLAN = (
    ("broad", BROAD, range(16), 1100, 0),
    ("facts", FACTS, range(100, 116), 1000, 0),
    ("wordings", WORDINGS, range(800, 846), 3300, 600),
    ("practice", BALANCED, range(720, 760), 2700, 1500),
)


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m sleepcon.pretrain", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("build", "report", "pool"), default="build")
    parser.add_argument("--work", type=Path, default=Path("build/pretrain"), help="folder for corpus and checkpoints")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--base", default="embedded", help="the base that report measures")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.what == "pool":
        questions = make_pool(load_material(ASSETS, BALANCED), ASSETS)
        (ASSETS / "rehearsal.txt").write_text("\n".join(questions) + "\n", encoding="utf-8")
        return
    record = None
    if args.what == "build":
        shape, stages = Shape(), []
        tokenizer = args.work / "tokenizer.json"
        if not tokenizer.exists():
            build_tokenizer(args.seed, ASSETS, args.work, shape.vocabulary)
        for name, mix, shards, steps, decay in PLAN:
            folder = args.work / name
            if not (folder / "lengths.npy").exists():
                build_corpus(args.seed, shards, ASSETS, mix, tokenizer, folder, args.threads)
            stages.append(Stage(folder, steps, decay, mix if name == "practice" else None))
        model, record = pretrain(args.work, stages, shape, args.seed)
        write_base(model, tokenizer, EMBEDDED)
        record["machine"] = f"{platform.machine()}, {args.threads} threads"
        record["hours"] = f"{record['seconds_since_last_start'] / 3600:.1f} h since its last start"
    base = load_base(args.base)
    wrong: list = []
    rows = report(base, ASSETS, wrong=wrong)
    print(json.dumps(rows, indent=1))
    for case in wrong[:200]:
        print(" | ".join(case), file=sys.stderr)
    if args.base == "embedded":
        write_card(EMBEDDED, base, record, rows)


if __name__ == "__main__":
    main()
