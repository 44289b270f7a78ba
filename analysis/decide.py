#!/usr/bin/env python3
"""Says which setting to pilot first in a federation of yours, from recorded runs: traffic, time and
accuracy at each sparsity beside FedAvg's. The answer is printed, and written as a page."""

from __future__ import annotations

import argparse
import sys

import matplotlib

matplotlib.use("Agg")

from feddip_analysis import collect, decision, families, options, report, results, safety  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_results(parser)
    options.add_out(parser, "decision")
    which = parser.add_argument_group("your federation (default: that of the runs)")
    which.add_argument("--model", choices=("lenet5", "alexnet", "vgg11", "resnet18", "resnet50", "custom"))
    which.add_argument("--dataset", choices=("fashion-mnist", "cifar-10", "cifar-100", "file"))
    which.add_argument(
        "--partition", choices=("iid", "pathological", "dirichlet", "given"), help="how alike your clients' data are"
    )
    which.add_argument("--clients", type=options.from_1, metavar="N")
    which.add_argument("--clients-per-round", type=options.from_1, metavar="K")
    options.add_links(parser)
    options.add_target(parser)
    parser.add_argument(
        "--deadline", type=options.above_0, metavar="SECONDS", help="that a client may take for a round"
    )
    parser.add_argument(
        "--minimize", choices=("time", "traffic"), default="time", help="what counts (default: %(default)s)"
    )
    return parser.parse_args()


def main() -> int:
    args = arguments()
    runs, skipped = collect(args.results)
    audits, skipped = safety.audits(skipped)
    for file in skipped:
        print(f"decide.py: left out {file.path}: {file.reason}", file=sys.stderr)
    if why := results.none_found(args.results):
        print(f"decide.py: error: {why}", file=sys.stderr)
        return 2
    try:
        made = decision.decide(
            families(runs),
            decision.Question(
                model=args.model,
                dataset=args.dataset,
                partition=args.partition,
                clients=args.clients,
                clients_per_round=args.clients_per_round,
                links=options.links(args),
                target=args.target,
                fraction=args.fraction,
                minimize=args.minimize,
                deadline=args.deadline,
            ),
        )
    except ValueError as problem:
        print(f"decide.py: error: {problem}", file=sys.stderr)
        return 2
    print(decision.text(made))
    try:
        print(report.write_decision(made, runs, args.out, audits))
    except OSError as problem:
        print(f"decide.py: error: can't write (--out {args.out}): {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
