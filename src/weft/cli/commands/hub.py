"""``weft hub``, ``weft models`` and ``weft datasets``: what was made, published and shared."""

from __future__ import annotations

from typing import Annotated

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_json, print_result
from weft.project import ProjectFolder, View, hub, models_view

hub_app = typer.Typer(help="Publish, find and move models, data sets and applications.", no_args_is_help=True)
models_app = typer.Typer(help="List, promote and roll back models.", invoke_without_command=True)
datasets_app = typer.Typer(help="Publish and list data sets.", no_args_is_help=True)
app.add_typer(hub_app, name="hub")
app.add_typer(models_app, name="models")
app.add_typer(datasets_app, name="datasets")

Version = Annotated[
    str,
    typer.Argument(
        help="A version: shop, shop@3, shop@latest, churn@champion; dataset:shop@3 where kinds share a name.",
        metavar="VERSION",
    ),
]
Name = Annotated[str, typer.Argument(help="Name of all versions.", metavar="NAME")]
Kind = Annotated[str, typer.Argument(help="application, dataset or model.", metavar="KIND")]
OnlyKind = Annotated[str | None, typer.Option("--kind", help="Only application, dataset or model.")]
Owner = Annotated[str, typer.Option("--owner", help="Who publishes it; default: this user.")]
Description = Annotated[str, typer.Option("--description", "-d", help="What it is, in a sentence.")]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="A word, or word=value; repeatable.", metavar="TAG")
]
Alias = Annotated[str, typer.Option("--alias", help="What the version is to be.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, kept in the history.")]
Who = Annotated[str, typer.Option("--by", help="Who does it; default: this user.")]


@hub_app.command("publish")
def publish(
    kind: Kind,
    name: Name,
    content: Annotated[
        str,
        typer.Argument(
            help="Folder of sources, files or tables; a file or URL of tables.", metavar="CONTENT"
        ),
    ],
    description: Description = "",
    tag: Tags = None,
    owner: Owner = "",
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Publish content as the next version of a name.

    The same content again keeps its version; a number is never given twice.

    Example: weft hub publish dataset shop shop/ --tag team=sales
    """
    about = hub.read_about(owner, description, tag)
    _show(hub.publish_view(_folder(project), kind, name, content, about), as_json)


@hub_app.command("search")
def search(
    words: Annotated[str, typer.Argument(help="Words of name, description or tags.", metavar="WORDS")] = "",
    kind: OnlyKind = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only what this user published.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only with this tag, or tag=value.")] = None,
    all_versions: Annotated[bool, typer.Option("--all", help="Every version, not the newest alone.")] = False,
    deprecated: Annotated[bool, typer.Option("--deprecated", help="Also what is deprecated.")] = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Find what was published, newest first.

    Example: weft hub search "orders daily" --kind dataset
    """
    options = {"kind": kind, "owner": owner, "tag": tag}
    view = hub.search_view(
        _folder(project), words, all_versions=all_versions, deprecated=deprecated, **options
    )
    _show(view, as_json)


@hub_app.command("show")
def show(version: Version, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Show a version and the history of its aliases.

    Example: weft hub show churn@champion
    """
    _show(hub.show_view(_folder(project), version), as_json)


@hub_app.command("pull")
def pull(
    version: Version,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Folder to make; default: NAME-VERSION.")
    ] = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Write the content of a version into a new folder.

    Example: weft hub pull dataset:shop@3 --out shop-3
    """
    _show(hub.pull_view(_folder(project), version, out), as_json)


@hub_app.command("copy")
def copy(
    version: Version,
    to: Annotated[str, typer.Option("--to", help="Folder of the project that gets it.")],
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Copy a version to the hub and store of another project.

    Content and lineage go with it; what is there is not copied again; a copy that was cut off goes on.

    Example: weft hub copy churn@champion --to ../production
    """
    _show(hub.copy_view(_folder(project), version, to), as_json)


@hub_app.command("trace")
def trace(
    what: Annotated[
        str, typer.Argument(help="A version, a digest, or a file that weft predict wrote.", metavar="WHAT")
    ],
    uses: Annotated[
        bool, typer.Option("--uses", help="What it led to, instead of what it came from.")
    ] = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Follow where something came from, as a tree.

    Back through models, runs and snapshots to the tables; onwards with --uses.

    Example: weft hub trace predictions.parquet
    """
    _show(hub.trace_view(_folder(project), what, uses=uses), as_json)


@hub_app.command("deprecate")
def deprecate(
    version: Version,
    reason: Annotated[str, typer.Option("--reason", help="Why; empty takes it back.")],
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Say that a version is no longer to be used.

    It stays where it is and is found by its number; it is not the latest any more.

    Example: weft hub deprecate dataset:shop@2 --reason "prices in cents"
    """
    _show(hub.deprecate_view(_folder(project), version, reason), as_json)


@hub_app.command("delete")
def delete(version: Version, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Forget a version; its number is never given again.

    Its content goes with the next weft store gc, unless something else needs it.

    Example: weft hub delete dataset:shop@2
    """
    _show(hub.delete_view(_folder(project), version), as_json)


@models_app.callback()
def models(context: typer.Context, as_json: opt.Json = False, project: opt.Here = None) -> None:
    """List the models: each finished run registers its winner.

    A model has the name of the project, or of the entity's table, and a version that is never given twice.

    Example: weft models
    """
    if context.invoked_subcommand is None:
        _show(models_view(_folder(project)), as_json)


@models_app.command("list")
def list_models(as_json: opt.Json = False, project: opt.Here = None) -> None:
    """List the models by name, newest version first.

    Example: weft models list
    """
    _show(models_view(_folder(project)), as_json)


@models_app.command("promote")
def promote(
    model: Version,
    alias: Alias = "champion",
    better_on: Annotated[
        str | None,
        typer.Option(
            "--better-on", help="Metric on which it must beat the present one, on the same test rows."
        ),
    ] = None,
    reason: Reason = "",
    by: Who = "",
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Make a version of a model the champion.

    Who did it and why is kept. With --better-on it must be better than the present champion.

    Example: weft models promote churn@candidate --better-on auroc --reason "weekly fit"
    """
    view = hub.promote_view(_folder(project), model, alias=alias, better_on=better_on, reason=reason, who=by)
    _show(view, as_json)


@models_app.command("rollback")
def rollback(
    name: Name,
    alias: Alias = "champion",
    reason: Reason = "",
    by: Who = "",
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Make the champion before the champion again.

    Example: weft models rollback churn --reason "wrong on Mondays"
    """
    _show(hub.rollback_view(_folder(project), name, alias=alias, reason=reason, who=by), as_json)


@datasets_app.command("add")
def add(
    name: Name,
    tables: Annotated[
        str, typer.Argument(help="Folder of tables, a data file, a database file or URL.", metavar="TABLES")
    ],
    description: Description = "",
    tag: Tags = None,
    owner: Owner = "",
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Publish tables as the next version of a data set.

    Example: weft datasets add shop shop/ --description "All orders since 2020"
    """
    about = hub.read_about(owner, description, tag)
    _show(hub.publish_view(_folder(project), "dataset", name, tables, about), as_json)


@datasets_app.command("list")
def list_datasets(
    words: Annotated[str, typer.Argument(help="Words of name, description or tags.", metavar="WORDS")] = "",
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """List the data sets, newest first.

    Example: weft datasets list
    """
    _show(hub.search_view(_folder(project), words, kind="dataset", all_versions=True), as_json)


def _folder(project: str | None) -> ProjectFolder:
    return ProjectFolder(project or ".")


def _show(view: View, as_json: bool) -> None:
    print_json(view.plain) if as_json else print_result(view.text)
