"""Read delimited text files: any delimiter, encoding and compression, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as pv

from weft.core import UserError
from weft.data.sources.batches import UNTYPED
from weft.data.sources.dialect import Dialect, find_dialect
from weft.data.sources.encoding import find_encoding
from weft.data.sources.files import DataFile
from weft.data.sources.parquet import first_line

_SAMPLE_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 22
_LARGEST_BLOCK_BYTES = 1 << 28


@dataclass(frozen=True)
class TextOptions:
    """What the user says about text files; ``None`` is found from each file."""

    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or not self.delimiter.isascii()):
            raise UserError(
                "DATA048",
                f"'{self.delimiter}' cannot be a delimiter.",
                "give one ASCII character.",
            )


@dataclass(frozen=True)
class TextFile:
    """A text file whose encoding and dialect are known."""

    file: DataFile
    encoding: str
    dialect: Dialect


def open_text_file(file: DataFile, options: TextOptions) -> TextFile:
    """Find how a text file is written.

    Raises:
        UserError: ``DATA023`` for mixed encodings, ``DATA049`` for a file without a header,
            ``DATA048`` for an unknown encoding, ``DATA022`` for damaged compression.
    """
    try:
        encoding = options.encoding or find_encoding(file.open_text, file.path)
        text = _sample(file, encoding)
    except LookupError:
        raise UserError(
            "DATA048", f"there is no encoding '{options.encoding}'.", "name one such as utf-8 or latin-1."
        ) from None
    except OSError as error:
        raise _damaged(file, error) from error
    dialect = find_dialect(text, delimiter=options.delimiter)
    if dialect is None:
        raise UserError(
            "DATA049", f"'{file.path}' is blank.", "write a header into it, or take it out of the folder."
        )
    return TextFile(file, encoding, dialect)


def _sample(file: DataFile, encoding: str) -> str:
    with closing(file.open_text()) as stream:
        data = stream.read(_SAMPLE_BYTES)
        is_whole = len(data) < _SAMPLE_BYTES
    text: str = data.decode(encoding, errors="replace" if is_whole else "ignore").removeprefix("\ufeff")
    return text if is_whole else text[: text.rfind("\n") + 1] or text


def _damaged(file: DataFile, error: BaseException) -> UserError:
    return UserError(
        "DATA022",
        f"'{file.path}' cannot be read to its end: {first_line(error)}",
        "write the file again, or take it out of the folder.",
    )


def read_text(text: TextFile) -> Iterator[pa.RecordBatch]:
    """Yield the records in order, every value a word; the header is not one of them.

    Raises:
        UserError: ``DATA024`` for a record that has more or fewer fields than the header.
    """
    fields = [pa.field(name, pa.string(), metadata=UNTYPED) for name in text.dialect.header]
    schema = pa.schema(fields)
    num_rows, block = 0, _BLOCK_BYTES
    while True:
        try:
            for batch in _read_from(text, num_rows, block):
                num_rows += batch.num_rows
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
            break
        except pa.ArrowInvalid as error:
            # A record longer than a block: the reader asks for larger ones.
            if "block size" not in str(error) or block >= _LARGEST_BLOCK_BYTES:
                raise _refusal(text, error) from error
            block *= 8
        except (OSError, UnicodeError) as error:
            raise _damaged(text.file, error) from error
    if not num_rows:
        yield pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in fields], schema=schema)


def _read_from(text: TextFile, num_skipped: int, block: int) -> Iterator[pa.RecordBatch]:
    names = [f"c{i}" for i in range(len(text.dialect.header))]
    with closing(_decoded(text)) as stream:
        reader = pv.open_csv(
            stream,
            read_options=pv.ReadOptions(
                column_names=names,
                skip_rows_after_names=1 + num_skipped,
                block_size=block,
                use_threads=False,
            ),
            parse_options=_parse_options(text.dialect),
            convert_options=pv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        yield from reader


def _parse_options(dialect: Dialect) -> Any:
    return pv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char=dialect.quote,
        double_quote=True,
        escape_char=dialect.escape or False,
        newlines_in_values=True,
        # In a file of one column a blank line is a missing value.
        ignore_empty_lines=not dialect.is_single,
    )


def _decoded(text: TextFile) -> pa.NativeFile:
    stream = text.file.open_text()
    if text.encoding == "utf-8":
        return stream
    return pa.transcoding_input_stream(stream, text.encoding, "utf-8")


def _refusal(text: TextFile, error: BaseException) -> UserError:
    return UserError(
        "DATA024",
        f"'{text.file.path}' is not a table of {len(text.dialect.header)} columns "
        f"separated by {text.dialect.delimiter!r}: {first_line(error)}",
        "mend the record, or name the separator with delimiter=';'.",
    )
