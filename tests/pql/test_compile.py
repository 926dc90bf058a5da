"""The whole way from text to query: the published example, its neighbours, and the limits."""

import time

import pytest

from weft.core import Column, Dtype, Link, Schema, Stype, Table, TaskType, UserError
from weft.pql import check_classes, compile_query, parse
from weft.pql.parser import MAX_DEPTH

SHOP = Schema(
    (
        Table("users", (Column("user_id", Dtype.INT, Stype.ID),), ("user_id",)),
        Table(
            "orders",
            (
                Column("order_id", Dtype.INT, Stype.ID),
                Column("user_id", Dtype.INT, Stype.ID),
                Column("order_date", Dtype.TIMESTAMP, Stype.TIMESTAMP),
                Column("amount", Dtype.FLOAT, Stype.NUMERICAL),
            ),
            ("order_id",),
            "order_date",
        ),
    ),
    (Link("orders", ("user_id",), "users", ("user_id",)),),
)


def test_an_error_prints_as_the_language_page_shows_it():
    text = "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH users.user_id WHERE orders.order_dt > '2025-01-01'"
    with pytest.raises(UserError) as caught:
        compile_query(text, SHOP)
    assert str(caught.value) == (
        "PQL014: column 'order_dt' is not in table 'orders'.\n"
        "  PREDICT COUNT(orders.*, 0, 30, days) FOR EACH users.user_id WHERE orders.order_dt > '2025-01-01'\n"
        "                                                                    ^^^^^^^^^^^^^^^\n"
        "Hint: did you mean 'order_date'? Columns of orders: order_id, user_id, order_date, amount."
    )


@pytest.mark.parametrize(
    "target, task",
    [
        ("COUNT(orders.* WHERE orders.rank != 1, 0, 30, days) > 0", TaskType.BINARY),
        ("MIN(orders.rank, 0, 30, days) <= 3", TaskType.BINARY),
        ("AVG(orders.rank, 0, 60, days)", TaskType.REGRESSION),
    ],
)
def test_task_types_of_the_three_usual_targets(target, task, schema):
    query = compile_query(
        f"PREDICT {target} FOR EACH users.user_id ASSUMING COUNT(orders.*, 0, 30, days) > 0", schema
    )
    assert query.task.type is task
    assert query.assuming is not None


def test_a_parse_takes_less_than_twenty_milliseconds():
    text = (
        "PREDICT COUNT(orders.* WHERE orders.rank != 1, 0, 30, days) > 0 FOR EACH users.user_id "
        "ASSUMING COUNT(orders.*, 0, 30, days) > 0"
    )
    parse(text)
    start = time.process_time()
    for _ in range(20):
        parse(text)
    assert (time.process_time() - start) / 20 < 0.02


def test_the_deepest_query_compiles_and_one_deeper_is_refused(schema):
    def nested(count):
        return f"PREDICT {'NOT ' * count}users.is_member FOR EACH users.user_id"

    assert compile_query(nested(MAX_DEPTH - 2), schema).task.type is TaskType.BINARY
    with pytest.raises(UserError, match="PQL004"):
        compile_query(nested(MAX_DEPTH - 1), schema)


def test_ten_thousand_parentheses_are_no_nesting(schema):
    text = f"PREDICT {'(' * 10_000}users.age{')' * 10_000} FOR EACH users.user_id"
    assert compile_query(text, schema).canonical == "PREDICT users.age FOR EACH users.user_id"


@pytest.mark.parametrize(
    "piece", ["'", '"', "`", "(", "-", "#", ",", "a.b,", "NOT ", "`a`", "''", ", #", "1.", ".", "é"]
)
@pytest.mark.parametrize(
    "before", ["", "PREDICT COUNT(a.b VIA a.b", "PREDICT a.b FOR EACH a.b WHERE a.b IN (1"]
)
def test_hostile_text_is_refused_quickly(before, piece, schema):
    start = time.process_time()
    for end in ("", "x", "'"):
        with pytest.raises(UserError, match="PQL0"):
            compile_query(before + piece * 3000 + end, schema)
    assert time.process_time() - start < 5


def test_many_entities_are_read_quickly(schema):
    keys = ", ".join(str(n) for n in range(20_000))
    start = time.process_time()
    query = compile_query(f"PREDICT users.age FOR EACH users.user_id IN ({keys})", schema)
    assert len(query.entities) == 20_000
    assert time.process_time() - start < 10


def test_ten_thousand_columns_are_not_all_listed():
    columns = tuple(Column(f"column_{i}", Dtype.FLOAT, Stype.NUMERICAL) for i in range(10_000))
    schema = Schema((Table("wide", columns, ("column_0",)),))
    with pytest.raises(UserError) as caught:
        compile_query("PREDICT wide.colum_77 FOR EACH wide.column_0", schema)
    assert "did you mean 'column_77'?" in caught.value.hint
    assert caught.value.hint.endswith("and 9,980 more.")


def test_an_empty_schema_says_so():
    with pytest.raises(UserError, match="The schema has no table"):
        compile_query("PREDICT users.age FOR EACH users.user_id", Schema(()))


def test_labels_of_one_class_are_refused(schema):
    query = compile_query("PREDICT COUNT(orders.*, 0, 30, days) > 0 FOR EACH users.user_id", schema)
    check_classes(query, {"true": 3, "false": 1})
    with pytest.raises(UserError) as caught:
        check_classes(query, {"true": 1234, "false": 0})
    assert str(caught.value) == (
        "PQL070: all 1,234 labels are true, so there is nothing to learn.\n"
        "  PREDICT COUNT(orders.*, 0, 30, days) > 0 FOR EACH users.user_id\n"
        "          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "Hint: change the window or the condition of the target, or loosen WHERE and ASSUMING."
    )


def test_no_labels_at_all_are_refused(schema):
    query = compile_query("PREDICT LAST(orders.status, 0, 30) FOR EACH users.user_id", schema)
    with pytest.raises(UserError, match="PQL070: no label has a value"):
        check_classes(query, {})


def test_too_many_classes_are_refused(schema):
    query = compile_query("PREDICT LAST(orders.status, 0, 30) FOR EACH users.user_id", schema)
    counts = {f"status {i}": 2 for i in range(1001)}
    check_classes(query, counts, max_classes=1001)
    with pytest.raises(UserError) as caught:
        check_classes(query, counts)
    assert str(caught.value) == (
        "PQL071: the target has 1,001 classes, and 1,000 are allowed.\n"
        "  PREDICT LAST(orders.status, 0, 30) FOR EACH users.user_id\n"
        "          ^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "Hint: choose a coarser column, or rank values with LIST_DISTINCT(…) RANK TOP k."
    )


def test_rankings_and_numbers_have_no_limit_of_classes(schema):
    counts = {str(i): 1 for i in range(5000)}
    ranking = compile_query(
        "PREDICT LIST_DISTINCT(items.product_id, 0, 7) RANK TOP 3 FOR EACH users.user_id", schema
    )
    check_classes(ranking, counts)
    check_classes(ranking, {"7": 1})
    check_classes(compile_query("PREDICT users.age FOR EACH users.user_id", schema), {"7": 1})


def test_errors_pickle():
    import pickle

    with pytest.raises(UserError) as caught:
        parse("PREDICT")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
