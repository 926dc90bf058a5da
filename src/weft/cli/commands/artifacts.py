"""``weft artifact …``: everything runnable of a project in one file, and where it is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.project import ProjectFolder, View
from weft.project.artifacts import create_artifact, list_artifacts, pull_artifact, upload_artifact

artifact_app = typer.Typer(help="Pack what runs, keep it, fetch it.", no_args_is_help=True)
app.add_typer(artifact_app, name="artifact")

_PLACE = "A folder, a URL such as s3://bucket/path, or oci://host/path; default: WEFT_ARTIFACTS, else .weft."
Tag = Annotated[str | None, typer.Option("--tag", help="Default: the one in artifact.json, else latest.")]


@artifact_app.command("create")
def create(
    tag: Tag = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The file; default: NAME-TAG.weft in the project.")
    ] = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Pack the project into one file.

    The same sources give the same file on every machine. artifact.json says what belongs to it.

    Example: weft artifact create --tag v1
    """
    _show(create_artifact(ProjectFolder(project or "."), tag=tag, output=output), as_json)


@artifact_app.command("upload")
def upload(
    tag: Tag = None,
    to: Annotated[str | None, typer.Option("--to", help=_PLACE)] = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Keep the packed project in a store or a registry.

    A registry's user and password are taken from WEFT_REGISTRY_USER and WEFT_REGISTRY_PASSWORD, or from what
    docker login wrote.

    Example: weft artifact upload --tag v1 --to s3://models/weft
    """
    _show(upload_artifact(ProjectFolder(project or "."), tag=tag, to=to), as_json)


@artifact_app.command("list")
def list_(
    name: Annotated[str | None, typer.Argument(help="Only this artifact.", metavar="NAME")] = None,
    place: Annotated[str | None, typer.Option("--from", help=_PLACE)] = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """List artifacts with their tags and digests.

    Example: weft artifact list --from oci://registry.example/team
    """
    _show(list_artifacts(ProjectFolder(project or "."), name=name, place=place), as_json)


@artifact_app.command("pull")
def pull(
    reference: Annotated[
        str, typer.Argument(help="name, name:tag or name@sha256:digest.", metavar="ARTIFACT")
    ],
    place: Annotated[str | None, typer.Option("--from", help=_PLACE)] = None,
    folder: Annotated[
        str | None, typer.Option("--into", help="A new folder; default: the artifact's name.")
    ] = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Fetch an artifact and unpack it into a new folder.

    Its content is compared with its digest first.

    Example: weft artifact pull churn:v1 --from s3://models/weft
    """
    _show(pull_artifact(ProjectFolder(project or "."), reference, place=place, folder=folder), as_json)


def _show(view: View, as_json: bool) -> None:
    print_json(view.plain) if as_json else print_result(view.text)
