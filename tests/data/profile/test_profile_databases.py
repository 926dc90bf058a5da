"""Keys, times, links and meanings are found in databases of many styles, and nothing else."""

import profile_databases_more
import profile_databases_web
import pytest
from profile_databases import DATABASES

from weft.core import Severity

assert profile_databases_more and profile_databases_web


@pytest.mark.parametrize("name", sorted(DATABASES))
def test_what_is_in_a_database_is_found_and_nothing_else(name, profile):
    database = DATABASES[name]()
    found = profile(database.tables)
    schema = found.schema
    assert {t.name: t.primary_key for t in schema.tables if t.primary_key} == database.keys
    assert {t.name: t.time_column for t in schema.tables if t.time_column} == database.times
    assert found.end_time_proposals == database.ends
    assert not [t.name for t in schema.tables if t.end_time_column]
    links = {link.name for link in schema.links}
    assert database.links - links == set()
    assert links - database.links - database.tolerated == set()
    for where, stype in database.stypes.items():
        table, column = where.split(".")
        assert (where, schema.table(table).column(column).stype) == (where, stype)
    for where, time_format in database.formats.items():
        table, column = where.split(".")
        assert (where, schema.table(table).column(column).time_format) == (where, time_format)
    assert [f for f in found.findings if f.severity is Severity.ALARM] == []


@pytest.mark.parametrize("name", ["northwind", "league"])
def test_the_order_of_the_tables_does_not_matter(name, profile):
    tables = DATABASES[name]().tables
    first = profile(tables).schema
    second = profile(dict(reversed(tables.items()))).schema
    assert set(first.links) == set(second.links)
    assert {t.name: t for t in first.tables} == {t.name: t for t in second.tables}
