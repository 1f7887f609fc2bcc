"""How well the five detectors tell the exchanges of a file apart.

    python benchmarks/salience_spread.py buffer.json                  # the embedded base
    python benchmarks/salience_spread.py buffer.json --model DIR --samples 3
    python benchmarks/salience_spread.py --write-reference            # measure ordinary exchanges into the base's card
    python benchmarks/salience_spread.py --scale                      # time per experience from 10 to 100,000

Two gates: no detector gives its commonest value (to three decimals) to more than 20% of the exchanges, and the total at
equal weights has a standard deviation of at least .12. Exit code 1 when one is missed.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from sleepcon.experience import Experience, read_experiences
from sleepcon.model import Base, load_base
from sleepcon.paths import EMBEDDED
from sleepcon.salience import FACTORS, measure_reference, ordinary, reference_of, score

COMMONEST, DEVIATION = 0.20, 0.12


def spread(base: Base, file: str, samples: int) -> bool:
    """Print a line a detector and whether the gates hold."""
    experiences = list(read_experiences(file))
    begun = time.perf_counter()
    scores = score(base, experiences)
    seconds = time.perf_counter() - begun
    columns = {name: np.array([getattr(it, name).value for it in scores]) for name in FACTORS}
    total = columns["total"] = np.array([it.total() for it in scores])
    print(f"{len(scores)} exchanges on {base.name}, {seconds:.1f} s, {1000 * seconds / len(scores):.1f} ms each")
    print(
        f"{'':9} {'min':>5} {'10%':>5} {'50%':>5} {'90%':>5} {'max':>5} {'sd':>6} {'commonest':>9}  correlation with the total"
    )
    held = True
    for name, values in columns.items():
        share = Counter(values.round(3)).most_common(1)[0][1] / len(values)
        cells = " ".join(f"{q:5.2f}" for q in np.quantile(values, [0, 0.1, 0.5, 0.9, 1]))
        print(f"{name:9} {cells} {values.std():6.3f} {share:9.1%}  {np.corrcoef(values, total)[0, 1]:5.2f}")
        held &= share <= COMMONEST
    held &= bool(total.std() >= DEVIATION)
    print("correlations of", ", ".join(FACTORS))
    print(np.corrcoef([columns[name] for name in FACTORS]).round(2))
    print(f"share at .6 or more: {(total >= 0.6).mean():.0%}; gates {'held' if held else 'MISSED'}")
    order = np.argsort(-total)
    for title, chosen in (("highest", order[:samples]), ("lowest", order[len(order) - samples :])):
        for index in chosen:
            print(f"\n{title} {total[index]:.3f}: {experiences[index].prompt[:90]!r} -> {experiences[index].response[:120]!r}")
            for name in FACTORS:
                factor = getattr(scores[index], name)
                print(f"  {name:9} {factor.value:.3f} {factor.evidence}")
    return held


def scale(base: Base, most: int) -> None:
    """Print time per experience as memory and batch grow together; each text is made distinct by a number."""
    pairs, size = ordinary(), 10
    while size <= most:
        many = [Experience(f"{i}. {pairs[i % 400].prompt}", f"{pairs[i % 400].response} {i}") for i in range(size)]
        begun = time.perf_counter()
        score(base, many)
        print(f"{size:7} experiences: {1000 * (time.perf_counter() - begun) / size:.2f} ms each", flush=True)
        size *= 10


def write_reference(base: Base) -> None:
    """Measure the ordinary exchanges and keep the quantiles in the embedded base's card."""
    card = EMBEDDED / "sleepcon.json"
    found = json.loads(card.read_text(encoding="utf-8")) | {"reference": measure_reference(base, ordinary())}
    card.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"written into {card}")


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="experiences in any of the accepted formats")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--samples", type=int, default=0, help="print this many of the highest and of the lowest")
    parser.add_argument("--write-reference", action="store_true")
    parser.add_argument("--scale", nargs="?", type=int, const=100_000, help="largest number of experiences")
    args = parser.parse_args()
    base = load_base(args.model)
    if args.write_reference:
        if args.model != "embedded" and Path(args.model).resolve() != EMBEDDED:
            parser.error("--write-reference is for the embedded base")
        write_reference(base)
    reference_of(base)
    if args.scale:
        scale(base, args.scale)
    if args.file and not spread(base, args.file, args.samples):
        sys.exit(1)


if __name__ == "__main__":
    main()
