"""Weft's own rungs keep to what is asked of everybody's."""

from weft.learn import get_rung
from weft.testing.rungs import RungSuite


class TestConstant(RungSuite):
    rung = get_rung("constant")


class TestEntity(RungSuite):
    rung = get_rung("entity")


class TestHeuristic(RungSuite):
    rung = get_rung("heuristic")


class TestLinear(RungSuite):
    rung = get_rung("linear")


class TestLightGBM(RungSuite):
    rung = get_rung("lightgbm")
    num_rows = 320
