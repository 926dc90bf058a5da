"""Predictive queries: text in, a checked typed tree out."""

from weft.pql.binder import bind
from weft.pql.compiler import compile_query
from weft.pql.parser import parse
from weft.pql.printer import format_statement
from weft.pql.query import Mode, Query
from weft.pql.rules import check_classes
from weft.pql.syntax import Statement
from weft.pql.tree import aggregates_in, columns_in, dtype_of, is_condition, walk
from weft.pql.words import describe

__all__ = [
    "Mode",
    "Query",
    "Statement",
    "aggregates_in",
    "bind",
    "check_classes",
    "columns_in",
    "compile_query",
    "describe",
    "dtype_of",
    "format_statement",
    "is_condition",
    "parse",
    "walk",
]
