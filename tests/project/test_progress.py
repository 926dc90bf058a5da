"""Progress on a terminal: what was shown once is not shown again."""

import sys
from types import SimpleNamespace

import pyarrow as pa

import weft
from weft.flow import Plan


def test_cached_steps_are_shown_once_and_not_again_by_every_answer(tmp_path, monkeypatch):
    printed = []
    terminal = SimpleNamespace(
        isatty=lambda: True, write=printed.append, flush=lambda: None, encoding="utf-8"
    )
    monkeypatch.setattr(sys, "stderr", terminal)
    users = pa.table({"user_id": list(range(30)), "age": [i % 7 for i in range(30)]})
    for again in range(2):
        graph = weft.connect({"users": users}, project=tmp_path).graph()
        for plan in (1, 2, 3):
            graph.__dict__.pop("outputs", None)
            assert graph.outputs["tables"], plan
        text = "".join(printed)
        project, nodes = weft.project.ProjectFolder(tmp_path), graph.nodes
        project.run(Plan("tables", nodes), targets=("snapshot",))
        assert "[1/1] snapshot" in "".join(printed)
        assert text.count("[1/3] snapshot") == 1, text
        assert ("cached" in text) == bool(again), text
        printed.clear()
