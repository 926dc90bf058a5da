"""The search over networks: a portfolio first, then what earlier trials suggest, the best trained longer."""

from weft.learn.search.differing import differing
from weft.learn.search.hearing import heard_settings, unheard_names
from weft.learn.search.portfolio import Traits, make_portfolio
from weft.learn.search.proposing import Trial, improves, propose
from weft.learn.search.rounds import Kind, Round, plan_rounds
from weft.learn.search.space import Choices, Range, Space, default_space, fixed_settings, read_space
from weft.learn.search.suiting import check_space

__all__ = [
    "Choices",
    "Kind",
    "Range",
    "Round",
    "Space",
    "Traits",
    "Trial",
    "check_space",
    "default_space",
    "differing",
    "fixed_settings",
    "heard_settings",
    "improves",
    "make_portfolio",
    "plan_rounds",
    "propose",
    "read_space",
    "unheard_names",
]
