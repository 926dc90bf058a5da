"""Read the Parquet files of a folder, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import UserError
from weft.data.sources.files import DataFile
from weft.data.sources.source import batch_rows


def read_parquet(file: DataFile) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file in order.

    Raises:
        UserError: ``DATA022`` when the file is cut short or damaged.
    """
    try:
        with closing(file.open_arrow()) as stream:
            parquet = pq.ParquetFile(stream, pre_buffer=False)
            schema = parquet.schema_arrow
            if not parquet.metadata.num_rows:
                yield pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
                return
            yield from parquet.iter_batches(batch_rows(len(schema)), use_threads=True)
    except (pa.ArrowException, OSError) as error:
        raise _refusal(file, error) from error


def read_columns(file: DataFile) -> list[str]:
    """Return the names of a file's columns, from its footer alone."""
    try:
        with closing(file.open_arrow()) as stream:
            return list(pq.read_schema(stream).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise _refusal(file, error) from error


def _refusal(file: DataFile, error: BaseException) -> UserError:
    words = "may not be read" if isinstance(error, PermissionError) else "is not a whole Parquet file"
    return UserError(
        "DATA022",
        f"'{file.path}' {words}: {first_line(error)}",
        "write the file again, or take it out of the folder.",
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, with a full stop."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0].strip()
    return text if text.endswith(".") else f"{text}."
