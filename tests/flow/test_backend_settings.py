"""Settings of backends are read strictly."""

import pytest

from weft.core import UserError
from weft.flow.backends.kubernetes import KubernetesSettings
from weft.flow.backends.settings import read_settings


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"imag": "x"}, "there is no such setting.\nHint: write image."),
        ({"colour": "red"}, "there is no such setting.\nHint: use some of call_s,"),
        ({"image": 3}, "3 is not a text"),
        ({"port": "80"}, "'80' is not a whole number"),
        ({"port": True}, "True is not a whole number"),
        ({"patience_s": "long"}, "'long' is not a number"),
        ({"node_selector": ["disk"]}, "is not a mapping"),
        ({"claims": {"/data": 1}}, "is not a mapping"),
        ({"tolerations": {"key": "gpu"}}, "is not a list"),
        ({"port": 0}, "0 is not above zero"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(plain, words):
    with pytest.raises(UserError) as caught:
        read_settings(KubernetesSettings, "kubernetes", plain)
    assert caught.value.code == "FLOW090"
    assert f"the setting {next(iter(plain))} of the backend 'kubernetes'" in str(caught.value)
    assert words in str(caught.value)


def test_settings_of_every_kind_are_read():
    plain = {
        "image": "w:1",
        "patience_s": 5,
        "tolerations": [{"key": "gpu"}],
        "claims": {"/d": "c"},
        "queue": None,
    }
    settings = read_settings(KubernetesSettings, "kubernetes", plain)
    assert (settings.image, settings.patience_s, settings.claims) == ("w:1", 5, {"/d": "c"})
