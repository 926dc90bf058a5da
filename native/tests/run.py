"""Build and run the C++ tests plain and under each sanitizer; exit 1 when one fails.

python native/tests/run.py [plain|address,undefined|thread ...]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = ("plain", "address,undefined", "thread")
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


def main(variants: list[str]) -> int:
    """Run the named variants, all by default."""
    failed = [v for v in variants or VARIANTS if not run(v)]
    print(f"failed: {', '.join(failed)}" if failed else "all C++ tests passed")
    return 1 if failed else 0


def run(variant: str) -> bool:
    """Build one variant in a folder of its own and run its tests."""
    build = ROOT / "build" / f"native-{variant.replace(',', '-')}"
    sanitize = "" if variant == "plain" else variant
    cmake = shutil.which("cmake") or sys.exit("the C++ tests need cmake; install it, for example by pip.")
    print(f"== {variant}", flush=True)
    configure = [cmake, "-S", ROOT / "native", "-B", build, "-DWEFT_TESTS=ON", f"-DWEFT_SANITIZE={sanitize}"]
    quiet = subprocess.run([*configure, "-Wno-dev"], stdout=subprocess.DEVNULL)
    if quiet.returncode or subprocess.run([cmake, "--build", build, "--parallel", "2"]).returncode:
        return False
    tests = sorted(p for p in build.glob("test_*") if p.is_file() and os.access(p, os.X_OK))
    if not tests:
        sys.exit("no C++ test was built.")
    return all([subprocess.run([t], env={**os.environ, **OPTIONS}).returncode == 0 for t in tests])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
