"""Progress on a terminal: what was shown once is not shown again."""

import io
import re
import sys
from types import SimpleNamespace

import pyarrow as pa
import pytest
from rich.console import Console

import weft
from weft.flow import Event, NodeState, Plan
from weft.project.progress import Watch, make_bar


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


@pytest.mark.parametrize("width", [80, 120])
def test_a_trial_tells_how_it_goes_and_all_steps_how_many_are_done(width):
    screen = io.StringIO()
    bar = make_bar(Console(file=screen, width=width, force_terminal=True, color_system=None))
    watch = Watch(bar, 12, set())
    note = "loss 0.5312, val 0.7421, 12,345 rows/s"
    watch(Event("labels", NodeState.RAN))
    watch(Event("candidate[network:11]", NodeState.STARTED))
    for done in (1.5, 2.5):
        watch(Event("candidate[network:11]", NodeState.PROGRESS, done=done, total=20, note=note))
    screen.truncate(0)
    bar.console.print(bar.get_renderable())
    whole, trial = screen.getvalue().splitlines()
    assert "all steps" in whole and "1 of 12" in whole
    assert "candidate[network:11]" in trial and note in trial
    assert re.search(r"\d\d:\d\d$", trial.rstrip())
