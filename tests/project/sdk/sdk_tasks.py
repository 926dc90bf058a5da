"""Tasks at the top of a module, where workers find them."""

from weft.project.sdk import task


@task(memory="1GB", retries=1)
def prepare(rows: int = 100):
    """Make a list."""
    return {"train": list(range(rows)), "note": "made"}


@task
def train(data, rate: float = 0.1, more=None):
    """Use it."""
    return {"size": len(data), "rate": rate, "more": more}


@task(name="reporting")
def report(first, second):
    """Put two together."""
    return [first, second]
