"""What is printed reads well: numbers, plurals, nothing said twice."""

import datetime as dt

import pyarrow as pa
import pytest

import weft
from weft.project.explanation import Explanation, _tried
from weft.project.tallies import show_table
from weft.project.view import text_table


def test_a_shown_table_has_short_numbers_and_its_plain_data_all_digits():
    when = dt.datetime(2025, 7, 1, tzinfo=dt.UTC)
    rows = [[0.8359203253927723, 1e-5, None], [0.5, 20.0, "x"], [-0.25, 1234.56789, "y"]]
    table = pa.Table.from_pylist([{"at": when, "p": p, "q": q, "r": r} for p, q, r in rows])
    shown = show_table(table, most=2)
    assert shown.text.splitlines() == [
        "at               p      q  r",
        "2025-07-01  0.8359  1e-05  –",
        "2025-07-01  0.5000     20  x",
        "… 1 more row; write them all with --out.",
    ]
    assert shown.plain["predictions"][0]["p"] == 0.8359203253927723
    assert "1234.5679" in show_table(table).text


def test_lists_and_what_is_no_number_are_shown():
    table = pa.table({"embedding": [[0.123456789, 2.0]], "x": [float("nan")], "flag": [True]})
    assert show_table(table).text.splitlines()[1].split("  ") == ["[0.1235, 2]", "nan", "True"]


@pytest.mark.parametrize("cell", ["1", "-0.5", "+3", "1,234.5", "12.5%", "3 %", "1e-05", "–", ".5"])
def test_columns_of_numbers_stand_to_the_right(cell):
    assert text_table(["a long name", "b"], [[cell, "x"]]).splitlines()[1].startswith(" ")
    assert not text_table(["a long name", "b"], [["2025-07-01", "x"]]).splitlines()[1].startswith(" ")


def test_an_explanation_says_how_many_rows_it_left_out():
    rows = ({"link": "a"}, {"link": "b"})
    assert _tried(rows) == "The newest row was left out"
    assert _tried((*rows, {"link": "b"})) == "Up to 2 newest rows were left out"


def test_rows_that_move_nothing_are_not_listed():
    def lines(*effects):
        rows = tuple(
            {"effect": e, "table": "t", "link": "k", "num_rows": 2, "row": {"x": 1.5}} for e in effects
        )
        told = Explanation("run", "users", 1, 0, "linear", None, rows)
        return told._row_lines()

    assert [line.split() for line in lines(0.25, -2e-6, 0.0)[2:4]] == [
        ["+0.2500", "t:", "x", "1.5"],
        ["-2e-06", "t:", "x", "1.5"],
    ]
    assert len(lines(0.25, -2e-6, 0.0)) == 5
    assert lines(0.0, 1e-17)[1] == "No single row of those tried moves it."


def test_keys_without_a_parent_are_told_once(tmp_path):
    users = pa.table({"user_id": range(20), "age": range(20)})
    who = [i % 20 for i in range(100)] + [77]
    orders = pa.table({"order_id": range(101), "user_id": who, "amount": [i / 7 for i in range(101)]})
    graph = weft.connect({"users": users, "orders": orders}, project=tmp_path).graph()
    assert [f.rule for f in graph.findings if f.subject == "orders.user_id"] == ["dangling_references"]
