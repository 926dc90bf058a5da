"""Backends are found by name, with the settings of a deployment."""

import importlib.metadata
import sys

import pytest

from weft.core import UserError
from weft.flow.backends import find_backend
from weft.flow.backends.registry import GROUP
from weft.flow.backends.slots import machine_slots


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("process", {"threads": 1, "memory": "2GB"}),
        ("kubernetes", {"image": "weft:1", "queue": "research"}),
        ("ray", {"address": "127.0.0.1:1", "is_fixed": True}),
    ],
)
def test_a_backend_is_found_by_its_name_and_asked_for_nothing(store, name, settings):
    assert find_backend(name, store, settings).name == name
    assert find_backend(name, store).name == name
    with pytest.raises(UserError, match=f"backend '{name}': there is no such setting") as caught:
        find_backend(name, store, {"nonsense": 1})
    assert caught.value.code == "FLOW090"


def test_no_library_of_a_cluster_is_loaded_by_its_name(store, monkeypatch):
    for package in ("ray", "kubernetes"):
        monkeypatch.setitem(sys.modules, package, None)
        assert find_backend(package, store).name == package


@pytest.mark.parametrize(
    ("name", "hint"),
    [("kubernets", "write kubernetes"), ("slurm", "use inline, kubernetes, process, ray")],
)
def test_a_backend_that_does_not_exist_is_named(store, name, hint):
    with pytest.raises(UserError, match=f"there is no backend '{name}'") as caught:
        find_backend(name, store)
    assert caught.value.code == "FLOW093"
    assert hint in str(caught.value)


def register(monkeypatch, value):
    entry = importlib.metadata.EntryPoint("moon", value, GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [entry])


def test_a_package_may_bring_a_backend(store, monkeypatch):
    register(monkeypatch, "weft.flow.backends.registry:open_process")
    assert find_backend("moon", store).name == "process"


def test_a_backend_that_does_not_load_is_named(store, monkeypatch):
    register(monkeypatch, "moon_backend:open")
    with pytest.raises(UserError, match=r"'moon' \(moon_backend:open\) cannot be loaded") as caught:
        find_backend("moon", store)
    assert caught.value.code == "FLOW093"


def test_limits_of_processes_are_those_of_the_settings(store):
    backend = find_backend("process", store, {"threads": 1, "memory": "1GB"})
    assert backend._total.threads == 1 and backend._total.memory_bytes == 10**9
    whole = find_backend("process", store)
    assert whole._total == machine_slots(None)
