"""The application object, and the way from an error to an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from weft.cli.output import print_error, print_notice, print_result
from weft.core import InvariantError, UserError, WeftError

_INTERRUPTED = 130

app = typer.Typer(
    name="weft",
    help="Ask a relational database about the future.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0, 1 user, 2 unavailable, 3 bug, 130 interrupted."""
    sys.exit(run_command(sys.argv[1:] if arguments is None else list(arguments)))


def run_command(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    as_json = "--json" in arguments
    try:
        result = _command()(arguments, prog_name="weft", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        return _interrupted() if code == _INTERRUPTED else code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except WeftError as error:
        return _fail(error, as_json)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        return _fail_unforeseen(error, as_json)


def command_help() -> Iterator[tuple[str, str]]:
    """Yield every command's full name and help text, for the reference pages and the tests."""
    root = _command()
    yield from _walk(root, root.context_class(root, info_name="weft"))


def _walk(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    for name in getattr(command, "commands", {}):
        inner = command.get_command(context, name)
        yield from _walk(inner, inner.context_class(inner, info_name=name, parent=context))


def _command() -> Any:
    import weft.cli.commands  # noqa: F401 - registers the commands on `app`

    return get_command(app)


def _interrupted() -> int:
    print_notice("Interrupted. What is finished is kept: the same command goes on from there.")
    return _INTERRUPTED


def _fail_unforeseen(error: Exception, as_json: bool) -> int:
    """Turn a wrong call of a command into a user's error, and anything else into a bug of ours."""
    if hasattr(error, "format_message"):
        message = error.format_message().strip()
        if type(error).__name__ == "NoArgsIsHelpError":
            print_result(message)
            return 0
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "weft"
        return _fail(UserError("DATA116", f"{message.rstrip('.')}.", f"see {command} --help."), as_json)
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}"
    return _fail(
        InvariantError(
            "DATA117",
            f"{type(error).__name__} in {place}: {error}",
            "this is a bug of Weft; set WEFT_DEBUG=1 to see the traceback and report it.",
        ),
        as_json,
    )


def _fail(error: WeftError, as_json: bool) -> int:
    if os.environ.get("WEFT_DEBUG"):
        print_notice("".join(traceback.format_exc()))
    print_error(error, as_json=as_json)
    return error.exit_code
