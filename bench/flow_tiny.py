"""The program of the nodes that `flow.py` measures, with nothing else for a worker to import."""


def tiny(context):
    """Leave one file of a few bytes and a plain value."""
    (context.directory / "n.txt").write_text(str(context.parameters["n"]))
    return {"n": context.parameters["n"]}
