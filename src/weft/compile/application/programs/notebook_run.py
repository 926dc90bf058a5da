"""Execute a notebook and keep it with its outputs; a script that needs nbclient and no package of Weft.

``python notebook_run.py NOTEBOOK TARGET [KERNEL]``. The task's parameters become a cell after the one tagged
``parameters``, or the first where there is none. What cells print is printed here, too. The executed notebook
is written to ``TARGET`` also when a cell fails.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat as _nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# The package has no types.
nbformat: Any = _nbformat


def main() -> int:
    """Execute the notebook that the command line names."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    notebook = nbformat.read(source, as_version=4)
    with open(os.environ["WEFT_PARAMETERS_FILE"], encoding="utf-8") as file:
        inject(notebook, json.load(file))
    kernel = (
        sys.argv[3] if len(sys.argv) > 3 else notebook.metadata.get("kernelspec", {}).get("name", "python3")
    )
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name=kernel,
        record_timing=False,
        resources={"metadata": {"path": str(Path.cwd())}},
        on_cell_executed=lambda cell, cell_index, execute_reply: tell(cell),
    )
    try:
        client.execute()
    except CellExecutionError as error:
        print(str(error).rstrip(), file=sys.stderr)  # noqa: T201
        return 1
    finally:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Values stand in it as Python and as JSON write them.
        values = [os.environ.get(name, "") for name in os.environ.get("WEFT_SECRETS", "").split()]
        nbformat.write(nbformat.from_dict(without(notebook, [v for v in values if v])), target)
    return 0


def without(value: Any, secrets: list[str]) -> Any:
    """Return a notebook, or a part of one, with the values of secrets cut out."""
    if isinstance(value, str):
        for secret in secrets:
            for written in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
                value = value.replace(written, "***")
        return value
    if isinstance(value, dict):
        return {name: without(part, secrets) for name, part in value.items()}
    return [without(part, secrets) for part in value] if isinstance(value, list) else value


def inject(notebook: Any, parameters: dict[str, Any]) -> None:
    """Put a cell with the parameters into a notebook."""
    if not parameters:
        return
    lines = [
        "# Parameters of this run.",
        *(f"{n} = {v!r}" for n, v in parameters.items() if n.isidentifier()),
    ]
    cell = nbformat.v4.new_code_cell("\n".join(lines), metadata={"tags": ["injected-parameters"]})
    # A name of its own, not a random one: the same run gives the same notebook.
    cell["id"] = "injected-parameters"
    tagged = [i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", [])]
    notebook.cells.insert(tagged[0] + 1 if tagged else 0, cell)


def tell(cell: Any) -> None:
    """Print what a cell printed."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            print(output.text, end="", flush=True)  # noqa: T201
        elif "text/plain" in output.get("data", {}):
            print(output.data["text/plain"], flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
