"""With manifests hidden, what each real data set's list says is found, and nothing beyond it."""

import pytest
import yaml
from profile_columns import RESOURCES

from weft.core import from_json, to_json
from weft.data.audit import audit_tables
from weft.data.prepare import prepare_tables
from weft.data.profile import Profile, profile_snapshot
from weft.data.tables import Tables

SETS = ("rel_f1", "travel", "journey", "football")


@pytest.fixture(scope="module", params=SETS)
def case(request, real_data):
    folder = real_data / request.param
    expected = yaml.safe_load((folder / "expected.yaml").read_text())
    tables = folder / "db" if (folder / "db").exists() else folder
    paths = {p.stem: p for p in sorted(tables.glob("*.parquet"))}
    return expected, paths, profile_snapshot(paths, resources=RESOURCES)


def test_exactly_the_listed_keys_times_and_links_are_found(case):
    expected, _, found = case
    keys = {t: tuple(k) if isinstance(k, list) else (k,) for t, k in expected["primary_keys"].items()}
    assert {t.name: t.primary_key for t in found.schema.tables if t.primary_key} == keys
    assert {t.name: t.time_column for t in found.schema.tables if t.time_column} == expected["time_columns"]
    assert found.end_time_proposals == expected.get("proposed_end_time_columns", {})
    links = {link.name for link in found.schema.links}
    assert set(expected["links"]) - links == set()
    assert links - set(expected["links"]) - set(expected["tolerated_links"]) == set()


def test_a_profile_of_real_data_survives_json(case):
    _, _, found = case
    assert from_json(Profile, to_json(found)) == found


def test_the_audit_finds_what_is_listed_and_raises_no_other_alarm(case, tmp_path):
    expected, paths, found = case
    prepared = prepare_tables(paths, found.schema, tmp_path, resources=RESOURCES)
    files = {t: tmp_path / f for t, f in prepared.files.items()}
    with Tables(prepared.schema, files, RESOURCES, tmp_path / "scratch") as tables:
        findings = audit_tables(tables, found.statistics)
    required, tolerated = set(expected["audit"]["required"]), set(expected["audit"]["tolerated"])
    assert required - {f.subject for f in findings} == set()
    alarms = {f.subject for f in findings if f.severity == "alarm"}
    assert alarms - required - tolerated == set()
