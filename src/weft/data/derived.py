"""Tables that the user declares by a query over the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import Resources, UserError
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
    for name in _order(derived, set(tables)):
        visible = {n: p for n, p in known.items() if n in tables or n in written}
        with _locked_engine(visible, directory, resources) as engine:
            written[name] = _write(engine, name, derived[name], known[name])
    return written


def _write(engine: Any, name: str, sql: str, path: Path) -> Written:
    import duckdb

    def batches() -> Iterator[pa.RecordBatch]:
        # Sorted, because a query without an order gives its rows as its threads happen to finish.
        query = f"SELECT * FROM ({_single_select(name, sql)}) ORDER BY ALL"
        reader = engine.sql(query).to_arrow_reader(batch_rows(1))
        yield pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in reader.schema], schema=reader.schema)
        yield from reader

    try:
        return write_table(batches, path, table=name)
    except (duckdb.Error, pa.ArrowException) as error:
        raise UserError(
            "DATA034",
            f"the query of the derived table '{name}' failed: {first_line(error)}",
            "mend the query; it sees the tables of the snapshot and no file.",
        ) from error


def _single_select(name: str, sql: str) -> str:
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise UserError(
            "DATA034",
            f"the query of the derived table '{name}' failed: {first_line(error)}",
            "mend the query.",
        ) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UserError(
            "DATA033",
            f"the derived table '{name}' is not declared by one SELECT.",
            "write one SELECT statement and nothing else.",
        )
    # A comment at the end would swallow the bracket that follows.
    return str(statements[0].query).strip().rstrip(";") + "\n"


def _order(derived: Mapping[str, str], plain: set[str]) -> list[str]:
    import duckdb

    engine = duckdb.connect()
    needs = {}
    for name, sql in derived.items():
        used = engine.get_table_names(_single_select(name, sql))
        folded = {u.casefold() for u in used}
        needs[name] = {n for n in derived if n.casefold() in folded}
    engine.close()
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
    import duckdb

    scratch = directory / ".spill"
    engine = duckdb.connect(
        config={
            "threads": resources.threads,
            "memory_limit": f"{resources.memory_bytes // 1_000_000}MB",
            "temp_directory": str(scratch),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    engine.execute("SET TimeZone = 'UTC'")
    paths = ", ".join("'" + str(p).replace("'", "''") + "'" for p in tables.values())
    engine.execute(f"SET allowed_paths = [{paths}]")
    for name, path in tables.items():
        quoted, target = name.replace('"', '""'), str(path).replace("'", "''")
        engine.execute(f"""CREATE VIEW "{quoted}" AS SELECT * FROM read_parquet('{target}')""")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine
