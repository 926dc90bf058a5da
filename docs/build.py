"""Build the documentation: generated reference pages, then the site.

The pages under ``docs/reference/generated`` come from the code: the public names of every room, the commands
with their help, the error codes. Links that lead nowhere and names that do not exist fail the build.
"""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
GENERATED = DOCS / "reference" / "generated"
ROOMS = ["core", "pql", "flow", "data", "graph", "learn", "hub", "compile", "project", "report", "testing"]


def main() -> int:
    """Write the generated pages and run the site builder."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    write_api()
    write_commands()
    write_errors()
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    return subprocess.run(command, cwd=DOCS.parent, check=False).returncode


def write_api() -> None:
    """One page for the Python face and one for each room, from the docstrings."""
    face = "# Python\n\n::: weft.project\n    options:\n      members_order: alphabetical\n"
    (GENERATED / "python.md").write_text(face)
    for room in ROOMS:
        readme = (DOCS.parent / "src" / "weft" / room / "README.md").read_text()
        (GENERATED / f"room-{room}.md").write_text(f"{readme}\n::: weft.{room}\n")


def write_commands() -> None:
    """One page with the help of every command."""
    from weft.cli import command_help

    parts = ["# Commands\n"]
    for name, text in command_help():
        parts.append(f"## {name}\n\n```text\n{text.rstrip()}\n```\n")
    (GENERATED / "commands.md").write_text("\n".join(parts))


def write_errors() -> None:
    """An index of the error codes, from the titles of their pages."""
    rows = ["# Error codes\n", "| code | what |", "|---|---|"]
    for page in sorted((DOCS / "errors").glob("*.md")):
        if page.stem == "index":
            continue
        title = page.read_text().splitlines()[0].lstrip("# ")
        code, _, what = title.partition(": ")
        rows.append(f"| [{code}]({page.name}) | {what.replace('|', '/')} |")
    (DOCS / "errors" / "index.md").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    sys.exit(main())
