"""The rules of the language, one file each: what is refused, with which code, message and hint."""

from weft.pql.rules.aggregate_type import check_aggregate_type
from weft.pql.rules.argument import check_argument
from weft.pql.rules.arithmetic_type import check_arithmetic
from weft.pql.rules.compare_type import check_comparable, check_not_constant, check_vector
from weft.pql.rules.constant_type import check_entity_values
from weft.pql.rules.infinity_misplaced import check_infinity
from weft.pql.rules.list_misplaced import check_list_place
from weft.pql.rules.mixed_time import check_times
from weft.pql.rules.nested_aggregate import check_not_nested
from weft.pql.rules.no_path import only_path
from weft.pql.rules.not_a_condition import check_is_condition
from weft.pql.rules.not_a_key import check_entity
from weft.pql.rules.not_a_value import check_is_value
from weft.pql.rules.out_of_reach import check_reaches
from weft.pql.rules.star_outside_count import check_exists_star, check_no_star, check_star
from weft.pql.rules.statement import check_answer, check_classes, check_target
from weft.pql.rules.text_test_type import check_text_test
from weft.pql.rules.unknown_aggregate import check_aggregate_name
from weft.pql.rules.unknown_column import check_column
from weft.pql.rules.unknown_table import check_table
from weft.pql.rules.unknown_unit import check_unit
from weft.pql.rules.via_broken import check_via
from weft.pql.rules.window_bound import check_window_bounds
from weft.pql.rules.window_missing import check_window_given
from weft.pql.rules.window_reversed import check_window_order
from weft.pql.rules.window_side import check_window_side
from weft.pql.rules.window_without_time import check_ordered, check_window_has_time

__all__ = [
    "check_aggregate_name",
    "check_aggregate_type",
    "check_answer",
    "check_argument",
    "check_arithmetic",
    "check_classes",
    "check_column",
    "check_comparable",
    "check_entity",
    "check_entity_values",
    "check_exists_star",
    "check_infinity",
    "check_is_condition",
    "check_is_value",
    "check_list_place",
    "check_no_star",
    "check_not_constant",
    "check_not_nested",
    "check_ordered",
    "check_reaches",
    "check_star",
    "check_table",
    "check_target",
    "check_text_test",
    "check_times",
    "check_unit",
    "check_vector",
    "check_via",
    "check_window_bounds",
    "check_window_given",
    "check_window_has_time",
    "check_window_order",
    "check_window_side",
    "only_path",
]
