"""Run one attempt: ``python -P -m weft.flow.worker SPEC``."""

import sys

from weft.flow.worker.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
