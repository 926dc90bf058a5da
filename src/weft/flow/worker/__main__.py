"""Run one attempt: ``python -P -m weft.flow.worker SPEC``."""

import atexit
import os
import sys

from weft.flow.worker.command import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking the interpreter apart takes longer than what a small node does.
    os._exit(code)
