"""``weft.yaml``: read, checked, and without secrets."""

import pytest

from weft.core import UserError
from weft.project.settings import read_settings, resolve_source


def write(folder, text):
    (folder / "weft.yaml").write_text(text)
    return folder


def test_without_a_file_there_are_defaults(tmp_path):
    assert read_settings(tmp_path).source == "."


def test_bad_yaml_names_the_line(tmp_path):
    with pytest.raises(UserError, match=r"DATA110.*line 3"):
        read_settings(write(tmp_path, "source: a\ntables: [\n"))


def test_an_unknown_field_is_named(tmp_path):
    with pytest.raises(UserError, match=r"DATA111.*tabels"):
        read_settings(write(tmp_path, "tabels: {}\n"))


def test_a_variable_is_filled_in_and_a_missing_one_is_named(tmp_path, monkeypatch):
    settings = read_settings(write(tmp_path, "source: postgresql://u:${SHOP_PASSWORD}@h/db\n"))
    monkeypatch.setenv("SHOP_PASSWORD", "secret")
    assert resolve_source(settings, tmp_path) == "postgresql://u:secret@h/db"
    monkeypatch.delenv("SHOP_PASSWORD")
    with pytest.raises(UserError, match=r"DATA112.*SHOP_PASSWORD"):
        resolve_source(settings, tmp_path)


def test_derived_tables_and_overrides_are_told_apart(tmp_path):
    text = "tables:\n  a: {sql: SELECT 1 AS x, primary_key: x}\n  b: {time_column: null}\n"
    settings = read_settings(write(tmp_path, text))
    assert settings.derived == {"a": "SELECT 1 AS x"}
    assert settings.overrides["tables"] == {"a": {"primary_key": "x"}, "b": {"time_column": None}}
