"""GPUs are divided like memory and threads where the total counts them; else the backend counts them."""

from weft.core import Resources
from weft.flow.share import divide

ONE = Resources(10, 1, 1)


def test_a_total_with_gpus_gives_each_to_one_node():
    given = divide(Resources(100, 8, 2), 8, held=[ONE], wanted=[ONE, ONE])
    assert given == [ONE, None]


def test_more_gpus_than_there_are_become_all_of_them():
    assert divide(Resources(100, 8, 2), 8, held=[], wanted=[Resources(10, 1, 4)]) == [Resources(10, 1, 2)]


def test_a_total_that_counts_none_leaves_them_to_the_backend():
    assert divide(Resources(100, 8), 8, held=[ONE], wanted=[ONE, ONE]) == [ONE, ONE]
