"""What trials ask a backend for, beside what they took: ``python bench/needs.py PROJECT [PROJECT ...]``.

Each project must have been fitted with ``--backend process``, so that every trial had a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from weft.compile.needs import trial_needs
from weft.core import Resources
from weft.flow import Output, Store
from weft.flow.needs import Reading
from weft.flow.record import Record, read_record


def main(folders: list[str]) -> int:
    """Print a line per trial; the exit status says whether one took more than it asked for."""
    is_exceeded = False
    print(f"{'trial':40} {'inputs':>8} {'asked':>8} {'took':>8}")
    for folder in folders:
        store = Store(Path(folder) / ".weft")
        records = [read_record(store, digest) for digest in store.list_refs("nodes/").values()]
        outputs = {output.digest: output for output in (r.output("", store) for r in records)}
        for record in records:
            if record.parts.program.endswith(":fit_candidate") and record.stats.peak_bytes:
                is_exceeded |= _tell(record, outputs)
    return int(is_exceeded)


def _tell(record: Record, outputs: dict[str, Output]) -> bool:
    inputs = {label: outputs[digest] for label, digest in record.parts.inputs.items()}
    reading = Reading(record.parts.parameters, inputs, Resources(10**15, 2))
    asked, took = trial_needs(reading).memory_bytes, record.stats.peak_bytes or 0
    size = sum(output.size_bytes for output in inputs.values())
    name = f"{record.value['model']} of {len(inputs)} inputs"
    print(f"{name:40} {size / 1e6:6.0f} MB {asked / 1e6:5.0f} MB {took / 1e6:5.0f} MB")
    return took > asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
