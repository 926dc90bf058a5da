"""What programs log, and the fields of a node that travel with it without being part of its key."""

import dataclasses

import pytest

from weft.core import Resources, UserError
from weft.flow import Node, Plan, Store, run_plan
from weft.flow.logs import LogLines, log_name
from weft.flow.record import Parts
from weft.flow.secret import Redactor

LIMITS = Resources(10**9, 1)


def chatty(context):
    context.log(b"one\n")
    assert (context.store.logs("talk") / "chat-1.log").read_bytes().endswith(b"one\n")
    context.log(b"two\n")
    if context.parameters.get("fails"):
        raise RuntimeError("enough")
    return {"variables": context.variables, "secrets": context.secrets, "nodes": context.nodes}


NODE = Node("chat", f"{__name__}:chatty")


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_program_logs_is_there_at_once_and_stays(tmp_path, fails):
    store = Store(tmp_path)
    plan = Plan("talk", (dataclasses.replace(NODE, parameters={"fails": fails}),))
    if fails:
        with pytest.raises(Exception, match="enough"):
            run_plan(plan, store, resources=LIMITS, run="talk")
    else:
        run_plan(plan, store, resources=LIMITS, run="talk")
    assert (store.logs("talk") / "chat-1.log").read_bytes() == b"one\ntwo\n"


def test_variables_secrets_and_workers_reach_the_program_and_are_no_part_of_the_key(tmp_path):
    node = dataclasses.replace(NODE, variables={"A": "1"}, secrets={"B": "env:C"}, nodes=2, image="x:1")
    assert Parts.of(node, {}).key == Parts.of(NODE, {}).key
    plan = Plan.from_json(Plan("talk", (node,)).to_json())
    assert plan.nodes == (node,)
    value = run_plan(plan, Store(tmp_path), resources=LIMITS, run="talk").outputs["chat"].value
    assert value == {"variables": {"A": "1"}, "secrets": {"B": "env:C"}, "nodes": 2}


def test_a_node_without_a_worker_is_refused():
    with pytest.raises(UserError, match="FLOW004"):
        dataclasses.replace(NODE, nodes=0)


def pieces(text, size):
    return [text[i : i + size] for i in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1001, 1 << 16])
def test_no_piece_of_a_long_line_ends_within_a_character_or_a_secret(size):
    text = "xé" * 21_844 + "abhunter22c" + "€" * 40_000 + "\nend"
    lines = LogLines(Redactor(["hunter22"]))
    made = [line for part in pieces(text.encode(), size) for line in lines.feed(part)] + lines.end()
    shown = [line.decode() for line in made]
    assert "".join(shown) == text.replace("hunter22", "***")
    assert len(made) > 2


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_bar_of_progress_becomes_a_line_at_times_and_at_its_end(size):
    bar = "".join(f"\r{i}%" for i in range(101))
    lines = LogLines(Redactor([]))
    made = [
        line for part in pieces(f"one\r\n{bar}\ntwo\n{bar}\r".encode(), size) for line in lines.feed(part)
    ]
    made += lines.end()
    assert [m for m in made if m != b"0%\n"] == [b"one\r\n", b"100%\n", b"two\n", b"100%\n"]
    assert made[1] == b"0%\n"


def test_logs_of_different_nodes_have_different_names():
    names = {log_name(n, a) for n in ("a/b", "a b", "a-b", "a.b") for a in (1, 2)}
    assert len(names) == 8
    assert not any("/" in n for n in names)
