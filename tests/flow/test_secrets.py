"""Secrets: looked up by reference, and cut out of streams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import UserError
from weft.flow.secret import Redactor, resolve_secrets


def test_secrets_come_from_the_environment_and_from_files(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "hunter22")
    monkeypatch.setenv("TOKEN", "set by the cluster")
    (tmp_path / "key").write_text("line\n")
    references = {"A": "env:SHOP_PASSWORD", "B": f"file:{tmp_path}/key", "TOKEN": "k8s:shop/token"}
    assert resolve_secrets(references) == {"A": "hunter22", "B": "line", "TOKEN": "set by the cluster"}


@pytest.mark.parametrize("reference", ["env:NOT_SET", "file:/not/there", "k8s:a/b", "env:", "hunter22"])
def test_a_reference_that_leads_nowhere_is_refused_without_showing_a_value(reference):
    with pytest.raises(UserError) as caught:
        resolve_secrets({"LOST": reference})
    assert caught.value.code == "FLOW062"
    assert "hunter22" not in str(caught.value)


def test_of_a_secret_of_many_lines_the_short_ones_are_shown():
    key = '{\n  "a",\n  "private": "hunter22hunter"\n}\n'
    redactor = Redactor([key, "pin1"])
    shown = redactor.text(f'{{"a": 1}} has pin1\n    "private": "hunter22hunter"\n{key}}}\n')
    assert shown == '{"a": 1} has ***\n    ***\n***\n}\n'


@given(st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.text("abc", max_size=30), st.data())
def test_cut_in_pieces_a_text_shows_what_it_shows_whole(secrets, text, data):
    whole = Redactor(secrets).text(text).encode()
    redactor, parts, rest = Redactor(secrets), [], text.encode()
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        parts.append(redactor.feed(rest[:size]))
        rest = rest[size:]
    shown = b"".join([*parts, redactor.end()])
    assert not any(s.encode() in shown for s in secrets if s.strip())
    if len(secrets) <= 1:
        assert shown == whole
