"""Tables declared by a query: one SELECT, over the snapshot and nothing else."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import Resources, UserError
from weft.data.snapshot import take_snapshot
from weft.data.sources import connect

GAMES = pa.table(
    {"home": ["b", "a", "c"] * 40_000, "away": ["a", "d", "b"] * 40_000, "goals": [1, 2, 3] * 40_000}
)


@pytest.fixture
def derive(tmp_path):
    def run(derived, directory="s", threads=2, tables=None):
        info = take_snapshot(
            connect(tables or {"games": GAMES}),
            tmp_path / directory,
            derived=derived,
            resources=Resources(300 * 10**6, threads),
        )
        return {n: pq.read_table(p) for n, p in info.paths(tmp_path / directory).items()}

    return run


def test_a_table_is_declared_by_a_select(derive):
    sql = "SELECT home AS team FROM games UNION SELECT away FROM games; -- all of them"
    assert derive({"teams": sql})["teams"].to_pydict() == {"team": ["a", "b", "c", "d"]}


def test_whole_sums_stay_whole(derive):
    found = derive({"t": "SELECT home, sum(goals) AS goals FROM games GROUP BY home"})["t"]
    assert found.schema.field("goals").type == pa.int64()


def test_derived_tables_may_read_each_other(derive):
    derived = {
        "b": "WITH x AS (SELECT * FROM a) SELECT max(team) AS top FROM x",
        "a": "SELECT home AS team FROM games",
    }
    assert derive(derived)["b"].to_pydict() == {"top": ["c"]}


def test_the_same_query_gives_the_same_bytes(derive, tmp_path):
    sql = "SELECT home, away, count(*) AS n FROM games GROUP BY ALL"
    for threads in (1, 2):
        derive({"t": sql}, directory=str(threads), threads=threads)
    assert (tmp_path / "1" / "t.parquet").read_bytes() == (tmp_path / "2" / "t.parquet").read_bytes()


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE games",
        "COPY games TO 'x.csv'",
        "SELECT 1; SELECT 2",
        "SET memory_limit = '1TB'",
        "ATTACH 'x.db'",
        "CREATE TABLE x AS SELECT 1",
        "INSTALL httpfs",
        "",
    ],
)
def test_anything_but_one_select_is_refused(sql, derive):
    with pytest.raises(UserError, match="DATA033"):
        derive({"t": sql})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('https://example.invalid/x.parquet')",
        "SELECT nope FROM games",
        "SELECT * FROM nothere",
        "SELEC 1",
        "SELECT 1) UNION (SELECT 2",
    ],
)
def test_queries_see_the_snapshot_only(sql, derive):
    with pytest.raises(UserError, match=r"DATA034.*'t'"):
        derive({"t": sql})


def test_circles_and_taken_names_are_refused(derive):
    with pytest.raises(UserError, match=r"DATA035.*a, b"):
        derive({"a": "SELECT * FROM b", "b": "SELECT * FROM a"})
    with pytest.raises(UserError, match="DATA025"):
        derive({"games": "SELECT 1 AS x"})
    with pytest.raises(UserError, match="DATA025"):
        derive({"GAMES": "SELECT 1 AS x"})


def test_a_query_that_needs_more_memory_says_so(derive, tmp_path):
    # A list of all values is one value: it cannot be spilled.
    sql = "SELECT list(a.home || b.goals || a.away) AS l FROM games a, (SELECT * FROM games LIMIT 400) b"
    with pytest.raises(UserError, match="DATA046"):
        derive({"t": sql})
