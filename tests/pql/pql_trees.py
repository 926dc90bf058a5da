"""Random syntax trees and query texts."""

from hypothesis import strategies as st

from weft.pql.query import Answer, Mode
from weft.pql.syntax import (
    AggregateTerm,
    AnswerTerm,
    ArithmeticTerm,
    ColumnName,
    ColumnTerm,
    ComparisonTerm,
    Conjunction,
    Constant,
    ConstantKind,
    Disjunction,
    EntityTerm,
    ExistsTerm,
    Membership,
    Negation,
    NullTest,
    Range,
    Statement,
    TextTest,
    UnitName,
    WindowTerm,
)

NUMBER, TEXT, TIME = ConstantKind.NUMBER, ConstantKind.TEXT, ConstantKind.TIME
WORDS = [
    "users",
    "rank",
    "where",
    "days",
    "INF",
    "null",
    "größe",
    "a b",
    "x`y",
    "2nd",
    "-",
    "用户",
    "'",
    "a.b",
    "*",
]
names = st.sampled_from(WORDS) | st.text(min_size=1, max_size=4)
columns = st.builds(ColumnName, names, names)
stars = st.builds(ColumnName, names, st.none())
vias = st.lists(columns, max_size=3).map(tuple)
column_terms = st.builds(ColumnTerm, columns, vias)
whole_numbers = st.integers(-(2**63) + 1, 2**63 - 1).map(lambda n: Constant(NUMBER, n))
floats = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: Constant(NUMBER, x))
times = st.datetimes().map(lambda t: int((t - type(t)(1970, 1, 1)).total_seconds()) * 10**6 + t.microsecond)
constants = st.one_of(
    whole_numbers,
    floats,
    st.text(max_size=6).map(lambda t: Constant(TEXT, t)),
    times.map(lambda t: Constant(TIME, t)),
    st.booleans().map(lambda b: Constant(ConstantKind.TRUTH, b)),
    st.just(Constant(ConstantKind.NULL, None)),
    st.sampled_from([-1, 1]).map(lambda sign: Constant(ConstantKind.INFINITY, sign)),
)
bounds = whole_numbers | floats | st.sampled_from([-1, 1]).map(lambda s: Constant(ConstantKind.INFINITY, s))
units = st.sampled_from(["days", "months", "fortnights"]).map(UnitName)
windows = st.none() | st.builds(WindowTerm, bounds, bounds, units)


def one_level(terms):
    """Terms made of smaller ones."""
    many = st.lists(terms, min_size=2, max_size=3).map(tuple)
    where = st.none() | terms
    arguments = column_terms | st.builds(ColumnTerm, stars, vias)
    values = st.lists(constants, min_size=1, max_size=3).map(tuple)
    yes_no = st.booleans()
    return st.one_of(
        st.builds(AggregateTerm, st.sampled_from(["COUNT", "SUM", "FOO"]), arguments | terms, where, windows),
        st.builds(ExistsTerm, arguments, where, windows),
        st.builds(ArithmeticTerm, st.sampled_from("+-*/"), terms, terms),
        st.builds(ComparisonTerm, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), terms, terms),
        st.builds(NullTest, terms, yes_no),
        st.builds(Membership, terms, values, yes_no),
        st.builds(Range, terms, terms, terms, yes_no),
        st.builds(
            TextTest, st.sampled_from(["LIKE", "CONTAINS", "STARTS", "ENDS"]), terms, constants, yes_no
        ),
        st.builds(Negation, terms),
        st.builds(Conjunction, many),
        st.builds(Disjunction, many),
    )


terms = st.recursive(column_terms | constants, one_level, max_leaves=12)
answers = st.one_of(
    st.none(),
    st.just(AnswerTerm(Answer.CLASSIFY, None)),
    st.builds(AnswerTerm, st.sampled_from([Answer.RANK, Answer.FORECAST]), whole_numbers | floats),
)
entities = st.builds(
    EntityTerm,
    columns | stars,
    st.none() | st.lists(constants, min_size=1, max_size=3).map(tuple),
)
statements = st.builds(
    Statement, st.sampled_from(list(Mode)), terms, answers, entities, st.none() | terms, st.none() | terms
)
