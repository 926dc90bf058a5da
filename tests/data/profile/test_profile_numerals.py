"""Numbers that texts write in the way of a country are recognized; lists, codes and addresses are not."""

import random
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import Dtype, Stype, UserError
from weft.data.engine import fetch_row
from weft.data.numbers import NumberFormat, number_sql, parse_number_format, read_numbers
from weft.data.profile import parse_overrides
from weft.data.profile.numerals import find_number_format

MARKS = [(",", "."), (".", ","), (",", " "), (".", "'"), (".", " "), (",", "'"), (",", ""), (".", "")]


def spell(cents, form, unit_first=False):
    """Write a number of cents as a format does, with two digits after the mark."""
    whole, rest = divmod(abs(cents), 100)
    digits = str(whole)
    if form.group:
        digits = f"{whole:,}".replace(",", form.group)
    text = f"{digits}{form.decimal}{rest:02d}"
    if form.unit:
        text = f"{form.unit} {text}" if unit_first else f"{text} {form.unit}"
    return f"-{text}" if cents < 0 else text


@pytest.mark.parametrize(
    ("texts", "spelt"),
    [
        (["12,50", "9,95", "100,00"], "1.234,5"),
        (["12,50", "1.234,75", "3"], "1.234,5"),
        (["1,234.75", "12.5", "7"], "1,234.5"),
        (["1 234,75", "12,5"], "1 234,5"),
        (["1\u202f234,75", "12\u00a0345,5"], "1 234,5"),
        (["1'234.75", "12.5"], "1'234.5"),
        (["1’234.75", "12.5"], "1'234.5"),
        (["€ 12,50", "€1.234,00"], "1.234,5 €"),
        (["12,50 EUR", "-3,10 EUR"], "1.234,5 EUR"),
        (["$9.99", "$120.00", "$1,200.00"], "1,234.5 $"),
        (["12 %", "7 %", "100%"], "1.234,5 %"),
        (["12,5 %", "7 %"], "1.234,5 %"),
        (["-0,5", "\u22121,25", "+3"], "1.234,5"),
        (["0,125", "1,5", "12,0625"], "1.234,5"),
        (["1,5E+03", "-2"], "1.234,5"),
        (["12,50", "N/A", "", "9,95"], "1.234,5"),
        (["1,234,567", "12,345", "950"], "1,234.5"),
        (["1.234.567", "12.345", "950"], "1.234,5"),
    ],
)
def test_numbers_are_recognized_as_they_are_written(texts, spelt):
    found = find_number_format("amount", texts)
    assert found
    assert str(found.form) == spelt
    assert found.confidence > 0.9
    assert f"'{spelt}'" in found.reason


@pytest.mark.parametrize(
    "texts",
    [
        ["3,5,7", "1,2", "4", "2,9", "3,8", "5,6"],
        ["1,2", "3,4"],
        ["1,2", "1,5", "2,5", "3,7", "4", "3,9", "2,8"],
        ["101,205", "101", "101,205,310", "310,400"],
        ["192.168.100.200", "10.100.200.101"],
        ["555 123 456", "30 123 456"],
        ["52.5,13.4", "48.1,11.5"],
        ["€ 12", "$ 12"],
        ["12,50", "9,95", "many"],
        ["12 kg", "7 kg"],
        ["12,50 €", "7,00"],
        ["1,23,456", "12,34,567"],
        ["5,1.2", "3,4.5"],
        ["12.5", "7", "NA"],
        ["M, L", "S"],
        ["01.02.2024", "03.04.2024"],
        [",", "."],
        ["", "NA"],
        [],
    ],
)
def test_what_is_no_number_is_not_read_as_one(texts):
    assert find_number_format("v", texts) is None


@pytest.mark.parametrize("name", ["order_id", "KundenNr"])
def test_a_key_in_groups_of_digits_stays_as_it_is_written(name):
    texts = [f"{n:,}" for n in range(990, 3000)]
    assert find_number_format(name, texts) is None
    assert find_number_format("views", texts)


def test_a_mark_before_three_digits_is_decided_by_the_other_values():
    open_case = ["1,234", "12,345", "950"]
    found = find_number_format("v", open_case)
    assert (str(found.form), found.rival) == ("1,234.5", "1.234,5")
    assert found.confidence < 0.7
    assert "1,234 is 1234" in found.reason and "'1.234,5' fits every value as well" in found.reason
    for proof, spelt in (
        ("0,125", "1.234,5"), ("12345", "1.234,5"), ("1234,125", "1.234,5"),
        ("1.234,125", "1.234,5"), ("1,234,567", "1,234.5"), ("1,234.125", "1,234.5"),
    ):  # fmt: skip
        found = find_number_format("v", [*open_case, proof])
        assert str(found.form) == spelt, proof
        assert found.confidence >= 0.8, proof


def test_pairs_that_could_be_lists_are_numbers_with_less_confidence():
    found = find_number_format("temperature", ["21,5", "7,3", "19,1", "3,8", "9,2", "4"])
    assert str(found.form) == "1.234,5"
    assert found.confidence == 0.7
    assert "lists of two numbers" in found.reason


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(10**11), 10**11), min_size=1, max_size=20),
    st.sampled_from(MARKS),
    st.sampled_from(["", "€", "EUR", "%", "$", "kr."]),
    st.booleans(),
)
def test_sql_and_arrow_read_back_exactly_what_was_written(cents, marks, unit, unit_first):
    import duckdb

    form = NumberFormat(*marks, unit)
    texts = [spell(c, form, unit_first) for c in cents]
    wanted = [float(Fraction(c, 100)) for c in cents]
    assert read_numbers(pa.chunked_array([texts]), form).to_pylist() == wanted
    table = pa.table({"v": texts})
    engine = duckdb.connect()
    engine.register("t", table)
    found = engine.execute(f"SELECT {number_sql('v', form)} FROM t").fetchall()
    assert [v for (v,) in found] == wanted
    assert fetch_row(engine, "SELECT count(*) FROM t")[0] == len(cents)
    assert parse_number_format(str(form)) == form


@pytest.mark.parametrize(
    "text", ["12,50,3", "1.23", "0.123", "€ 5", "abc", "", "1,2x", "--5", "1 2", "１２,5", "."]
)
def test_what_does_not_fit_is_null_and_never_another_number(text):
    import duckdb

    form = NumberFormat(",", ".")
    engine = duckdb.connect()
    engine.execute("CREATE TABLE t AS SELECT ? AS v", [text])
    assert engine.execute(f"SELECT {number_sql('v', form)} FROM t").fetchall() == [(None,)]
    assert read_numbers(pa.chunked_array([[text]]), form).to_pylist() == [None]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="0123456789.,' €%-+eE", max_size=8), max_size=8))
def test_no_text_breaks_the_search_and_all_texts_fit_what_is_found(texts):
    found = find_number_format("v", texts)
    if found:
        kept = [t for t in texts if t.strip()]
        assert read_numbers(pa.chunked_array([kept]), found.form).null_count == 0


def column_of(found, name="amount"):
    return found.schema.table("sales").column(name)


def sales(values):
    return {"sales": {"sale_id": range(len(values)), "amount": values}}


def amounts(num=400):
    rng = random.Random(1)
    return [
        f"{rng.randrange(1, 900_000) / 100:,.2f}".translate(str.maketrans(",.", ".,")) for _ in range(num)
    ]


def test_a_column_of_decimal_commas_is_numerical_with_evidence_and_statistics(profile):
    values = amounts()
    found = profile(sales(values))
    column = column_of(found)
    assert (column.stype, column.dtype, column.number_format) == (Stype.NUMERICAL, Dtype.FLOAT, "1.234,5")
    (evidence,) = [e for e in found.evidence if e.subject == "sales.amount"]
    assert "'1.234,5'" in evidence.reasons[0]
    numbers = sorted(float(v.replace(".", "").replace(",", ".")) for v in values)
    statistics = found.table("sales").column("amount")
    assert (statistics.minimum, statistics.maximum) == (numbers[0], numbers[-1])
    assert statistics.mean == pytest.approx(sum(numbers) / len(numbers))
    assert statistics.quantiles[0] == numbers[0] and statistics.quantiles[-1] == numbers[-1]


def test_an_open_mark_is_a_finding_and_the_users_word_decides(profile):
    tables = sales([f"{n:,}" for n in range(20, 9000, 17)])
    found = profile(tables)
    assert [f.rule for f in found.findings] == ["ambiguous_numbers"]
    assert found.table("sales").column("amount").maximum > 8000
    said = {"tables": {"sales": {"columns": {"amount": {"number_format": "1.234,5"}}}}}
    found = profile(tables, overrides=parse_overrides(said))
    assert found.findings == ()
    assert found.table("sales").column("amount").minimum == pytest.approx(1.006)
    assert column_of(found).number_format == "1.234,5"


@pytest.mark.parametrize(
    ("said", "dtype", "spelt"),
    [
        ({"stype": "numerical"}, Dtype.FLOAT, "1.234,5"),
        ({"dtype": "float64"}, Dtype.FLOAT, "1.234,5"),
        ({"dtype": "int64"}, Dtype.INT, "1.234,5"),
        ({"number_format": "1234,5"}, Dtype.FLOAT, "1234,5"),
        ({"stype": "categorical"}, Dtype.STRING, None),
        ({"stype": "multicategorical"}, Dtype.STRING, None),
    ],
)
def test_what_the_user_says_about_such_a_column_is_kept(profile, said, dtype, spelt):
    overrides = parse_overrides({"tables": {"sales": {"columns": {"amount": said}}}})
    # A few values that are no numbers do not change how the others are written.
    column = column_of(profile(sales([*amounts(), "none", "free"]), overrides=overrides))
    assert (column.dtype, column.number_format) == (dtype, spelt)


def test_number_formats_that_cannot_be_are_refused(profile):
    said = {"tables": {"sales": {"columns": {"amount": {"number_format": "#,##0.00"}}}}}
    with pytest.raises(
        UserError, match=r"SCH021: tables\.sales\.columns\.amount\.number_format is '#,##0\.00'"
    ):
        parse_overrides(said)
    said["tables"]["sales"]["columns"]["amount"]["number_format"] = "1.234,5"
    with pytest.raises(UserError, match=r"SCH027: sales\.amount is stored as float64, .*'1\.234,5'"):
        profile(sales([1.5, 2.5]), overrides=parse_overrides(said))
