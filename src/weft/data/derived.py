"""Tables that the user declares by a query over the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import Resources, UserError
from weft.data.engine import SCRATCH, engine_errors, open_duckdb, quote_name, quote_text
from weft.data.sources.parquet import first_line
from weft.data.sources.source import batch_rows
from weft.data.sources.writer import Written, write_table


def write_derived(
    derived: Mapping[str, str],
    tables: Mapping[str, Path],
    directory: Path,
    *,
    resources: Resources,
    file_name: Callable[[str], str],
) -> dict[str, Written]:
    """Compute derived tables, each after those it reads, into ``directory``.

    The engine that runs the user's SQL sees the snapshot's own files and nothing else: no other
    file, no network, no setting.

    Raises:
        UserError: ``DATA033`` for anything but one ``SELECT``, ``DATA034`` when it fails,
            ``DATA035`` when derived tables need each other in a circle.
    """
    if not derived:
        return {}
    known = dict(tables)
    for name in derived:
        known[name] = directory / file_name(name)
    written: dict[str, Written] = {}
    for name in _order(derived):
        visible = {n: p for n, p in known.items() if n in tables or n in written}
        with _locked_engine(visible, directory, resources) as engine:
            written[name] = _write(engine, name, derived[name], known[name])
    shutil.rmtree(directory / SCRATCH, ignore_errors=True)
    return written


def _write(engine: Any, name: str, sql: str, path: Path) -> Written:
    import duckdb

    def batches() -> Iterator[pa.RecordBatch]:
        engine.execute(f"CREATE OR REPLACE TEMP VIEW weft_derived AS {_single_select(name, sql)}")
        # Sorted, because a query without an order gives its rows as its threads happen to finish.
        reader = engine.sql("SELECT * FROM weft_derived ORDER BY ALL").to_arrow_reader(batch_rows(1))
        yield pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in reader.schema], schema=reader.schema)
        yield from reader

    try:
        with engine_errors(f"computing the derived table '{name}'"):
            return write_table(batches, path, table=name)
    except (duckdb.Error, pa.ArrowException) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> UserError:
    return UserError(
        "DATA034",
        f"the query of the derived table '{name}' failed: {first_line(error)}",
        "mend the query; it sees the tables of the snapshot and no file.",
    )


def _single_select(name: str, sql: str) -> str:
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise _failed(name, error) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UserError(
            "DATA033",
            f"the derived table '{name}' is not declared by one SELECT.",
            "write one SELECT statement and nothing else.",
        )
    return str(statements[0].query)


def _needed(name: str, sql: str, derived: Mapping[str, str]) -> set[str]:
    import duckdb

    statement = _single_select(name, sql)
    # Even naming the tables of a query looks at the files it reads: no engine may do that unlocked.
    with duckdb.connect(config={"enable_external_access": False}) as engine:
        try:
            used = {u.casefold() for u in engine.get_table_names(statement)}
        except duckdb.Error as error:
            raise _failed(name, error) from error
    return {n for n in derived if n.casefold() in used}


def _order(derived: Mapping[str, str]) -> list[str]:
    needs = {n: _needed(n, sql, derived) for n, sql in derived.items()}
    order: list[str] = []
    while len(order) < len(needs):
        ready = [n for n in sorted(needs) if n not in order and needs[n] <= set(order)]
        if not ready:
            stuck = sorted(set(needs) - set(order))
            raise UserError(
                "DATA035",
                f"the derived tables {', '.join(stuck)} need each other.",
                "let one of them read only tables of the source.",
            )
        order += ready
    return order


def _locked_engine(tables: Mapping[str, Path], directory: Path, resources: Resources) -> Any:
    engine = open_duckdb(resources, directory / SCRATCH)
    engine.execute("SET autoinstall_known_extensions = false")
    engine.execute("SET autoload_known_extensions = false")
    engine.execute(f"SET allowed_paths = [{', '.join(quote_text(str(p)) for p in tables.values())}]")
    for name, path in tables.items():
        source = f"read_parquet({quote_text(str(path))})"
        engine.execute(f"CREATE VIEW {quote_name(name)} AS SELECT * FROM {source}")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine
