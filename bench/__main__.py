"""
``python -m bench``: runs, measures, prints; exit code 1 when the ledger does not balance.

``python -m bench scrape``: what scrapes cost, see ``scrape.py``.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench import scrape
from bench.report import Report
from bench.rig import measure, measure_naive
from server.store import public_url


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["load", "scrape"], default="load")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--rates", type=int, nargs="+", default=[5_000, 12_000, 16_000, 20_000], help="tasks a second")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--no-naive", action="store_true", help="leave out the one-row-per-transaction way")
    parser.add_argument(
        "--store",
        default=os.environ.get("CRONPROBE_BENCH_STORE"),
        help="URL of a PostgreSQL, whose database is emptied; default: SQLite",
    )
    options = parser.parse_args()
    if options.what == "scrape":
        with tempfile.TemporaryDirectory(prefix="cronprobe-bench-") as folder:
            scrape.main(Path(folder), options.seconds)
        return 0
    database = "SQLite" if options.store is None else public_url(options.store)
    print(f"{options.agents} agents, {database}, {options.seconds} s a rate; the server alone on one core", flush=True)
    print(Report.HEADER, flush=True)
    reports = []
    for rate in options.rates:
        with tempfile.TemporaryDirectory(prefix="cronprobe-bench-") as folder:
            report = measure(
                Path(folder), agents=options.agents, rate=rate, seconds=options.seconds, store=options.store
            )
        print(report.line(), flush=True)
        reports.append(report)
    sustained = max((report.completed_per_s for report in reports if report.is_sustained), default=0.0)
    print(f"sustained: {sustained:,.0f} completed tasks/s")
    if not options.no_naive:
        with tempfile.TemporaryDirectory(prefix="cronprobe-bench-") as folder:
            naive = measure_naive(Path(folder), agents=options.agents, seconds=min(options.seconds, 10))
        print(f"one row per transaction with ORM calls: {naive:,.0f} tasks/s; ratio {sustained / naive:.0f}")
    unbalanced = [report for report in reports if not report.is_balanced]
    for report in unbalanced:
        print(f"the ledger of {report.rate}/s does not balance: {report.ledger}", file=sys.stderr)
    return 1 if unbalanced else 0


if __name__ == "__main__":
    sys.exit(main())
