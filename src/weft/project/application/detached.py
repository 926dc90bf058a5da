"""The controller that submitted jobs start: ``python -m weft.project.application.detached FOLDER``."""

from __future__ import annotations

import contextlib
import logging
import sys

from weft.project.application.controller import serve_jobs
from weft.project.folder import ProjectFolder

_LINGER_S = 5.0

if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s")
    with contextlib.suppress(KeyboardInterrupt):
        serve_jobs(ProjectFolder(sys.argv[1]), until_idle=True, linger_s=_LINGER_S, is_only=True)
