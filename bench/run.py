"""Measure throughput, CPU, latency, restore and memory against real Kafka: `python bench/run.py --suite A1,B1`.

Uses the broker that KAFKA_BOOTSTRAP_SERVERS or --bootstrap names, else starts one of its own.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this is run as a script; `bench` and `tests` are packages of the repository

from bench.broker import PREFIX, Kafka  # noqa: E402
from bench.measure import Bench, Measurement, cases  # noqa: E402
from bench.report import load, report  # noqa: E402
from bench.workloads import CASES, DESCRIPTIONS, Case, Suite, suites  # noqa: E402
from tests.services.kafka import KafkaBroker  # noqa: E402

DEFAULT_SUITES = "A1,A4,B1,C1,D,G,W,L,R,X"


def main() -> int:
    """Run what the command line asks for and print the tables; 1 if any run failed or was wrong."""
    options = _options()
    chosen: list[Suite] = [s for name in options.suite.split(",") for s in suites(name, options.events)]
    if options.report:
        print(report(chosen, load(options.report)))
        return 0
    asked = [name for name in options.cases.split(",") if name]
    environments = _peers(options.peers)
    options.work.mkdir(parents=True, exist_ok=True)
    results = options.work / "results.jsonl"
    measurements: list[Measurement] = []
    with ExitStack() as stack, results.open("w") as lines:
        bootstrap = options.bootstrap or os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if not bootstrap:
            broker = KafkaBroker(options.work / "kafka", heap="1g")
            stack.callback(broker.delete)
            broker.start()
            bootstrap = broker.bootstrap
        kafka = Kafka(bootstrap)
        bench = Bench(kafka, options.work, options.events, environments)
        stack.callback(bench.clean)
        for suite in chosen:
            for number in range(1, options.rounds + 1):
                for case in [*cases(suite, asked), *_peer_cases(environments)]:
                    measured = bench.measure(suite, case, number)
                    measurements.append(measured)
                    lines.write(measured.as_json() + "\n")
                    lines.flush()
                    print(_line(measured), file=sys.stderr, flush=True)
        if options.clean:
            bench.clean()
            kafka.delete(f"{PREFIX}in-")
    print(report(chosen, measurements))
    return 1 if any(m.failure for m in measurements) else 0


def _options() -> argparse.Namespace:
    what = "\n".join(f"  {letter}  {text}" for letter, text in DESCRIPTIONS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"suites, each followed by a number of partitions (1):\n{what}\ncases: {', '.join(CASES)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suite", default=DEFAULT_SUITES, help="such as A1,A4,B1 (default: %(default)s)")
    parser.add_argument("--cases", default="", help="only these (default: those of each suite)")
    parser.add_argument("--rounds", type=int, default=3, help="all cases in turn, so many times (default: 3)")
    parser.add_argument("--events", type=int, default=500_000, help="per run (default: 500000)")
    parser.add_argument("--bootstrap", help="host:port of a broker to use")
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "work", help="results, logs and state go here")
    parser.add_argument("--peers", type=Path, help="folder of virtual environments whose `faust` to measure too")
    parser.add_argument("--clean", action="store_true", help="delete the input topics at the end")
    parser.add_argument("--report", type=Path, help="only print the tables of an earlier run's results.jsonl")
    return parser.parse_args()


def _peers(folder: Path | None) -> dict[str, Path]:
    if folder is None:
        return {}
    return {
        path.name: path / "bin" / "python" for path in sorted(folder.resolve().iterdir()) if (path / "bin").is_dir()
    }


def _peer_cases(environments: dict[str, Path]) -> list[Case]:
    return [Case(name, "app") for name in environments]


def _line(measured: Measurement) -> str:
    name = f"{measured.suite} {measured.case} round {measured.round}"
    if measured.failure:
        return f"{name}: FAILED: {measured.failure}"
    figures = [
        f"{measured.events / max(measured.seconds, 0.001):,.0f} events/s",
        f"{measured.cpu_s / measured.events * 1e6:.2f} CPU-s per 1M",
        f"{measured.rss_mb} MB",
        f"last checkpoint {(measured.seconds - measured.seconds_handled) * 1000:.0f} ms",
        *(f"{key} {value:.1f} ms" for key, value in measured.latency_ms.items()),
    ]
    return f"{name}: {', '.join(figures)}"


if __name__ == "__main__":
    sys.exit(main())
