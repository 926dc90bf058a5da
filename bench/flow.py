"""What a node costs beyond its program: run, found again, and how much of it is fsync.

Prints milliseconds per node of wall and CPU time for plans of tiny nodes, independent and in a
chain, beside the time that one fsync of a small file takes on the same disk.

    python bench/flow.py [--nodes 300] [--folder DIR]
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from weft.core import Resources
from weft.flow import Node, Plan, Store, run_plan


def tiny(context):
    """Leave one file of a few bytes and a plain value."""
    (context.directory / "n.txt").write_text(str(context.parameters["n"]))
    return {"n": context.parameters["n"]}


def make_plan(count: int, *, is_chain: bool) -> Plan:
    nodes = [
        Node(
            f"n{i}",
            "flow:tiny",
            parameters={"n": i, "chain": is_chain},
            inputs={"before": f"n{i - 1}"} if is_chain and i else {},
        )
        for i in range(count)
    ]
    return Plan("chain" if is_chain else "independent", tuple(nodes))


def measure(plan: Plan, store: Store) -> tuple[float, float]:
    """Return milliseconds of wall and of CPU time per node."""
    wall, cpu = time.perf_counter(), time.process_time()
    run_plan(plan, store, resources=Resources(10**9, 2))
    count = len(plan.nodes) / 1e3
    return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def fsync_ms(folder: Path, count: int = 200) -> float:
    """Return milliseconds that writing and syncing a small new file takes."""
    began = time.perf_counter()
    for i in range(count):
        with open(folder / f"f{i}", "wb") as file:
            file.write(b"x" * 300)
            file.flush()
            os.fsync(file.fileno())
    return (time.perf_counter() - began) / count * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        print(f"one fsync of a small file        {fsync_ms(folder):7.2f} ms")
        real = os.fsync
        for syncs in ("with fsync", "without fsync"):
            os.fsync = real if syncs == "with fsync" else lambda _: None
            for is_chain in (False, True):
                plan = make_plan(options.nodes, is_chain=is_chain)
                store = Store(folder / syncs)
                for label in ("run", "found again"):
                    wall, cpu = measure(plan, store)
                    words = f"{plan.name:<12} {label:<12} {syncs:<14}"
                    print(f"{words} {wall:6.2f} ms wall {cpu:6.2f} ms cpu per node")


if __name__ == "__main__":
    main()
