"""Programs that the tests of plans run; each may log its name to a file that hints name."""

import json
import os
import threading

from weft.core import Resources, UnavailableError, UserError

BARRIERS: dict[str, threading.Barrier] = {}
EVENTS: dict[str, threading.Event] = {}


def log(context, word="ran"):
    if path := context.hints.get("log"):
        with open(path, "a") as file:
            file.write(f"{context.node} {word} {os.getpid()}\n")


def constant(context):
    (context.directory / "value.json").write_text(json.dumps(context.parameters))
    context.report(rows=10)
    log(context)
    return dict(context.parameters)


def total(context):
    """Add the numbers of all inputs, read from their files, to one of the node's own."""
    numbers = [json.loads(o.path("n.txt").read_text()) for o in context.inputs.values()]
    n = context.parameters.get("n", 0) + sum(numbers)
    (context.directory / "n.txt").write_text(str(n))
    log(context)
    return {"n": n}


def parity(context):
    return {"parity": sum(o.value["n"] for o in context.inputs.values()) % 2}


def fail(context):
    raise ZeroDivisionError("by nought")


def refuse(context):
    raise UserError("SCH001", "there is no table 'x'.", "choose another.")


def flaky(context):
    log(context, "tried")
    if context.attempt <= context.parameters["failures"]:
        raise UnavailableError("FLOW016", "the server did not answer.")
    return {"attempt": context.attempt}


def meet(context):
    BARRIERS[context.hints["barrier"]].wait(20)
    return {"memory": context.resources.memory_bytes, "threads": context.resources.threads}


def share(context):
    return {"memory": context.resources.memory_bytes, "threads": context.resources.threads}


def fill(context):
    (context.directory / "file").write_bytes(bytes(context.parameters["size"]))


def needs_of_inputs(reading):
    """Ask for a thousand bytes per byte that is read, and one thread."""
    return Resources(1000 * sum(o.size_bytes for o in reading.inputs.values()), 1, reading.most.gpus)


def counting(context):
    """Come one further with each try; fail until the third."""
    so_far = context.unfinished / "count"
    count = int(so_far.read_text()) + 1 if so_far.exists() else 1
    so_far.write_text(str(count))
    if count < 3:
        raise RuntimeError(f"{count} of 3")
    return {"count": count}


def until_cancelled(context):
    EVENTS[context.hints["started"]].set()
    pause = threading.Event()
    while True:
        context.progress.update(1, 2, "turning")
        pause.wait(0.002)


def overrun(context):
    pause = threading.Event()
    while True:
        context.check()
        pause.wait(0.002)


def late(context):
    threading.Event().wait(0.02)
    return {}


def odd(context):
    return {"value": {1, 2}} if context.parameters.get("set") else 3


def full(context):
    raise OSError(28, "No space left on device")


def hungry(context):
    raise MemoryError


def missing(context):
    context.inputs["a"].path("nothing.txt")


def nested(context):
    folder = context.directory / "deep" / "er"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (context.directory / "b.txt").write_text("b")
    (context.scratch / "spill.bin").write_text("not kept")


def mutate(context):
    context.parameters["list"].append(1)
    return {"length": len(context.parameters["list"])}


def grow_bad(context):
    nodes = [{"name": "n", "program": "flow_programs:refuse"}]
    return {"$plan": {"nodes": nodes}, "$result": "n"}


def grow_self(context):
    (context.directory / "n.txt").write_text("7")
    nodes = [{"name": "n", "program": "flow_programs:total", "inputs": {"x": "$self"}}]
    return {"$plan": {"nodes": nodes}, "$result": "n"}


def slow_total(context):
    log(context, "began")
    threading.Event().wait(0.3)
    numbers = [json.loads(o.path("n.txt").read_text()) for o in context.inputs.values()]
    n = context.parameters["n"] + sum(numbers)
    (context.directory / "n.txt").write_text(str(n))
    log(context, "ended")
    return {"n": n}


def alone(context):
    """Add up like ``total``, in a while; say so if somebody else is at the same node now."""
    import fcntl

    with open(f"{context.hints['log']}.{context.node}", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(context, "doubled")
        pause = threading.Event()
        for _ in range(context.hints.get("steps", 1)):
            context.check()
            pause.wait(0.02)
        return total(context)


NOT_A_FUNCTION = 3
