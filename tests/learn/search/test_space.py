"""The space of a search: what is tried by default, what users say, and configurations of it."""

from dataclasses import asdict

import pytest

from weft.core import Task, TaskType, UserError
from weft.learn.encoders import EncoderOptions
from weft.learn.networks.allowed import ALLOWED, OF_ENCODERS, refused_setting
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.search import Choices, Range, check_space, default_space, differing, read_space
from weft.learn.search.space import arrange, complete, flatten

BASE = default_space(TaskType.BINARY, ["orders.user_id"])


def test_every_setting_of_the_space_is_one_of_a_network():
    point = {n: (d.low if isinstance(d, Range) else d.values[0]) for n, d in BASE.items()}
    config = NetworkConfig.read(arrange(point))
    assert config.fanouts == (24,) and config.without == ()


def test_a_configuration_and_a_point_of_the_space_are_the_same_thing():
    point = {"channels": 64, "encoders.numbers": "bins", "link:a": False, "fanouts": [16, 8]}
    config = arrange(point)
    assert config == {"channels": 64, "encoders": {"numbers": "bins"}, "fanouts": [16, 8], "without": ["a"]}
    assert flatten(config) == point


def test_users_narrow_and_widen():
    space = read_space(
        {"channels": 256, "fanouts": [8, 4], "dropout": [0.0, 0.9], "learning_rate": {"low": 1, "high": 2}},
        BASE,
    )
    assert space["channels"] == Choices((256,))
    assert space["fanouts"] == Choices(([8, 4],))
    assert space["dropout"] == Choices((0.0, 0.9))
    assert space["learning_rate"] == Range(1.0, 2.0)
    assert space["strategy"] == BASE["strategy"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"chanels": 3}, "no setting 'chanels'"),
        ({"channels": []}, "cannot take [] for 'channels'"),
        ({"dropout": {"low": 1, "high": 0}}, "cannot take"),
        ({"dropout": {"low": 0, "high": 1, "log": True}}, "cannot take"),
        ({"dropout": {"low": 0, "hihg": 1}}, "cannot take"),
        ({"dropout": {"low": True, "high": 2}}, "cannot take"),
        ({"dropout": "x"}, "cannot take 'x'"),
        ({"channels": [32, 30]}, "cannot take"),
        ({"channels": {"low": 33, "high": 35}}, "cannot take"),
        ({"epochs": 2.5}, "cannot take"),
        ({"loss": {"low": 1, "high": 2}}, "cannot take"),
        ({"encoders.numbrs": "bins"}, "no setting 'encoders.numbrs'"),
        ({"strategy": "bogus"}, "cannot take 'bogus' for 'strategy'"),
        ({"strategy": ["last", "random"]}, "cannot take 'random' for 'strategy'"),
        ({"channels": 0}, "cannot take 0 for 'channels'"),
        ({"channels": {"low": 0, "high": 64}}, "for 'channels'"),
        ({"batch_size": 0}, "cannot take 0 for 'batch_size'"),
        ({"learning_rate": -1}, "cannot take -1 for 'learning_rate'"),
        ({"learning_rate": float("inf")}, "cannot take inf for 'learning_rate'"),
        ({"positive_weight": "bogus"}, "cannot take 'bogus' for 'positive_weight'"),
        ({"positive_weight": -3}, "cannot take -3 for 'positive_weight'"),
        ({"features": "bogus"}, "cannot take 'bogus' for 'features'"),
        ({"dropout": 2.0}, "cannot take 2.0 for 'dropout'"),
        ({"dropout": {"low": 0, "high": 3}}, "for 'dropout'"),
        ({"class_ratio": 0.2}, "cannot take 0.2 for 'class_ratio'"),
        ({"class_ratio": {"low": 0, "high": 5}}, "for 'class_ratio'"),
        ({"fanouts": [0]}, "cannot take [0] for 'fanouts'"),
        ({"fanouts": [[16, 8], [16, 8, 4, 2, 2, 2, 2]]}, "[16, 8, 4, 2, 2, 2, 2] for 'fanouts'"),
        ({"epochs": 0}, "cannot take 0 for 'epochs'"),
        ({"epochs": True}, "cannot take True for 'epochs'"),
        ({"compiled": "yes"}, "cannot take 'yes' for 'compiled'"),
        ({"encoders.numbers": "bogus"}, "cannot take 'bogus' for 'encoders.numbers'"),
        ({"encoders.text_dimension": 0}, "cannot take 0 for 'encoders.text_dimension'"),
        ({"link:orders.user_id": "maybe"}, "cannot take 'maybe' for 'link:orders.user_id'"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_its_value(said, told):
    with pytest.raises(UserError, match="LEARN045") as raised:
        read_space(said, BASE)
    assert told in raised.value.message


def test_what_is_allowed_stands_in_the_hint_and_both_ends_are_told():
    for said, hint in (
        ({"strategy": "bogus"}, "choose among last, uniform."),
        ({"channels": 6}, "give a multiple of 4 of 4 or more."),
        ({"dropout": 1}, "give a number of 0 or more and below 1."),
        ({"positive_weight": 0}, "give a number above 0, or balanced."),
        ({"class_ratio": 0.2}, "give a number of 1 or more, or 0."),
        (
            {"fanouts": [0]},
            "give 1 to 6 whole numbers above 0, one per hop, such as [32, 16]; -1 keeps all rows.",
        ),
    ):
        with pytest.raises(UserError) as raised:
            read_space(said, BASE)
        assert raised.value.hint == hint


def test_a_configuration_is_refused_for_the_same_values_with_its_name():
    for given, told in (
        ({"fanouts": [0]}, "fanouts is [0]."),
        ({"dropout": 2.0}, "dropout is 2.0."),
        ({"strategy": "bogus"}, "strategy is 'bogus'."),
        ({"epochs": 0}, "epochs is 0."),
        ({"channels": 0}, "channels is 0."),
        ({"positive_weight": -3}, "positive_weight is -3."),
        ({"encoders": {"numbers": "bogus"}}, "encoders.numbers is 'bogus'."),
        ({"encoders": {"numbrs": "bins"}}, "encoders have no option 'numbrs'."),
        ({"without": "orders.user_id"}, "without is 'orders.user_id'."),
    ):
        with pytest.raises(UserError) as raised:
            NetworkConfig.read(given)
        assert (raised.value.code, raised.value.message) == ("LEARN043", told)


def test_what_every_setting_usually_is_is_allowed():
    usual = asdict(NetworkConfig())
    assert set(usual) == {name for name in ALLOWED if "." not in name}
    assert {f"encoders.{name}" for name in asdict(EncoderOptions())} == set(OF_ENCODERS)
    assert NetworkConfig.read(usual) == NetworkConfig()
    assert refused_setting((f"encoders.{k}", v) for k, v in asdict(EncoderOptions()).items()) is None


@pytest.mark.parametrize(
    ("kind", "said", "told"),
    [
        (TaskType.BINARY, {"network": "two_tower"}, "cannot take 'two_tower' for 'network' of a binary task"),
        (TaskType.BINARY, {"network": ["sage", "network"]}, "cannot take 'network' for 'network'"),
        (TaskType.BINARY, {"loss": ["focal", "mae"]}, "cannot take 'mae' for 'loss' of a binary task"),
        (TaskType.BINARY, {"target": "log"}, "cannot take 'log' for 'target' of a binary task"),
        (TaskType.REGRESSION, {"class_ratio": 5}, "cannot take 5 for 'class_ratio' of a regression task"),
        (TaskType.REGRESSION, {"class_ratio": {"low": 2, "high": 5}}, "cannot take 2.0 for 'class_ratio'"),
    ],
)
def test_what_does_not_suit_the_task_is_refused_with_its_value(kind, said, told):
    task = Task(kind, "users", "user_id")
    base = default_space(kind)
    check_space(base, task)
    with pytest.raises(UserError, match="LEARN045") as raised:
        check_space(read_space(said, base), task)
    assert told in raised.value.message and raised.value.hint.startswith("choose among ")


def test_losses_follow_the_task():
    assert "focal" in default_space(TaskType.BINARY)["loss"].values
    assert default_space(TaskType.REGRESSION)["loss"].values[0] == "mae"
    assert "positive_weight" not in default_space(TaskType.REGRESSION)


def test_a_link_may_be_named_by_its_columns_alone():
    base = default_space(TaskType.BINARY, ["orders.user_id -> users", "orders.user_id_2 -> users"])
    space = read_space({"link:orders.user_id": False}, base)
    assert space["link:orders.user_id -> users"] == Choices((False,)) and "link:orders.user_id" not in space
    assert len(space["link:orders.user_id_2 -> users"].values) == 2


def test_a_scale_is_searched_for_numbers_and_never_with_a_mean_that_does_not_go_back():
    space = default_space(TaskType.REGRESSION)
    assert space["target"].values == ("standard", "log", "rank") and "target" not in BASE
    assert arrange({"loss": "mae", "target": "log"}) == {"loss": "mae", "target": "log"}
    assert arrange({"loss": "mse", "target": "log"}) == {"loss": "mse"}
    assert read_space({"target": "raw"}, space)["target"] == Choices(("raw",))
    with pytest.raises(UserError, match=r"LEARN045.*'log' for 'target'"):
        read_space({"loss": "mse", "target": "log"}, space)


def test_a_configuration_is_moved_into_the_space_and_no_further():
    space = read_space(
        {"channels": 128, "dropout": {"low": 0.2, "high": 0.3}, "link:orders.user_id": False}, BASE
    )
    moved = arrange(complete({"network": "relgnn", "dropout": 0.1, "fanouts": (16, 8, 8)}, space))
    assert moved["channels"] == 128 and moved["dropout"] == 0.2 and moved["without"] == ["orders.user_id"]
    assert moved["network"] == "relgnn" and moved["fanouts"] == [16, 8, 8]
    assert moved["learning_rate"] == NetworkConfig().learning_rate
    assert arrange(complete(moved, space)) == moved


def test_trials_are_told_apart_by_what_differs():
    near = {
        "network": "sage",
        "fanouts": [64],
        "encoders": {"numbers": "bins"},
        "variant": "1",
        "dropout": 0.1,
    }
    wide = {"network": "relgnn", "fanouts": (32, 16), "without": ["orders.user_id"], "start": "network:1"}
    assert differing([near, wide]) == [
        {"fanouts": [64], "encoders.numbers": "bins", "link:orders.user_id": True},
        {"fanouts": [32, 16], "encoders.numbers": "auto", "link:orders.user_id": False},
    ]
    assert differing([near]) == [{}]
    assert differing([near, {**near, "fanouts": (64,), "budget_s": 3.0}]) == [{}, {}]


def test_whole_numbers_stay_whole_and_focal_losses_are_not_weighed_twice():
    space = read_space({"channels": {"low": 32, "high": 128, "log": True}}, BASE)
    assert space["channels"] == Range(32.0, 128.0, is_log=True, step=4)
    assert repr(complete({"channels": 8}, space)["channels"]) == "32"
    config = arrange({"loss": "focal", "class_ratio": 5.0, "positive_weight": "balanced", "channels": 32})
    assert config == {"loss": "focal", "channels": 32}
    assert read_space({"positive_weight": ["balanced", 2.0]}, BASE)["positive_weight"].values[0] == "balanced"
