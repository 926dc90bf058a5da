"""DuckDB with limits, and its failures in Weft's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weft.core import Resources, UnavailableError, UserError

SCRATCH = ".spill"
_FULL = (
    "no space left",
    "disk quota",
    "file too large",
    "failed to offload",
    "disk is full",
    "disk i/o error",
    "max_temp_directory_size",
)


def open_duckdb(resources: Resources, scratch: Path) -> Any:
    """Open an in-memory DuckDB that keeps to its limits, spills to ``scratch`` and keeps row order."""
    import duckdb

    scratch.mkdir(parents=True, exist_ok=True)
    engine = duckdb.connect(
        config={
            "threads": resources.threads,
            "memory_limit": f"{max(resources.memory_bytes // 1_000_000, 1)}MB",
            "temp_directory": str(scratch),
        }
    )
    settle(engine)
    return engine


def settle(engine: Any) -> None:
    """Set what every engine shares: UTC, and no progress bar in anybody's output."""
    engine.execute("SET TimeZone = 'UTC'")
    engine.execute("SET enable_progress_bar = false")


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turn a lack of memory or of disk space into an error with a code.

    Args:
        what: What was being done, such as "taking the snapshot".

    Raises:
        UserError: ``DATA046`` when the memory limit was too low.
        UnavailableError: ``DATA043`` when the disk is full.
    """
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        if is_disk_full(error):
            raise disk_full(what) from error
        raise out_of_memory(what) from error
    except MemoryError as error:
        raise out_of_memory(what) from error
    except (duckdb.IOException, OSError) as error:
        if is_disk_full(error):
            raise disk_full(what) from error
        raise


def is_disk_full(error: BaseException) -> bool:
    """Say whether an error of any library speaks of a full disk."""
    text = str(error).casefold()
    return any(word in text for word in _FULL)


def out_of_memory(what: str) -> UserError:
    """Make the error for a memory limit that was too low."""
    return UserError(
        "DATA046",
        f"the memory limit was reached while {what}.",
        "raise --memory-limit, or lower --threads.",
    )


def disk_full(what: str) -> UnavailableError:
    """Make the error for a disk without space left."""
    return UnavailableError(
        "DATA043",
        f"the disk is full: {what} was given up, and nothing stored was changed.",
        "free some space and run it again.",
    )


def quote_name(name: str) -> str:
    """Write a name as an SQL identifier.

    Example:
        >>> quote_name('my "own" table')
        '"my ""own"" table"'
    """
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Write text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def fetch_row(engine: Any, sql: str) -> tuple[Any, ...]:
    """Run a query and return its first row; the connection is free for the next one."""
    rows: list[tuple[Any, ...]] = engine.execute(sql).fetchall()
    return rows[0]
