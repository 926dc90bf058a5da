"""Models: versions of what was fitted, promoted when they are better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weft.core import UserError
from weft.flow import Store
from weft.hub.aliases import CHAMPION
from weft.hub.owner import this_user
from weft.hub.published import About, Shelf
from weft.hub.records import Kind, Published

TEST_ROWS = "test_rows"
LOWER_IS_BETTER = "lower_is_better"


class Models(Shelf):
    """The part of the hub that remembers models."""

    def register_model(
        self,
        name: str,
        *,
        run: str,
        digest: str,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
        aliases: Iterable[str] = ("candidate",),
        store: Store | None = None,
    ) -> Published:
        """Give a model the next version of its name; the same one again keeps its version.

        Args:
            name: Of the model: letters, digits, ``.``, ``_`` and ``-``.
            run: The run that made it, as for `get_run`; empty when it was made elsewhere.
            digest: Of its files, a tree in the store.
            metrics: Name → score.
            tags: Words of the user's own.
            facts: Plain JSON; `promote_model` compares where ``test_rows`` is the same, a digest of the rows
                that the metrics were computed on, and reads ``lower_is_better``, names of metrics.
            aliases: Names that point to this version from now on.
            store: Also keep the files there, under ``models/<name>/<version>``.

        Raises:
            UserError: ``FLOW061`` for a name that cannot be one.
        """
        about = About(tags=tags or {}, metrics=metrics or {}, facts=facts or {})
        return self.publish(
            Kind.MODEL, name, digest=digest, about=about, run=run, aliases=aliases, store=store
        )

    def get_model(self, model: str, version: int | None = None) -> Published:
        """Return a model.

        Args:
            model: ``name`` for the newest version, ``name:3`` or ``name@champion``.
            version: Instead of writing it into ``model``.

        Raises:
            UserError: ``FLOW055`` when there is none.
        """
        return self.get_published(Kind.MODEL, model if version is None else f"{model}:{version}")

    def list_models(self, name: str | None = None) -> tuple[Published, ...]:
        """Return all versions of all models or of one, by name and newest first."""
        return self.list_published(Kind.MODEL, name)

    def promote_model(
        self,
        model: str,
        alias: str = CHAMPION,
        *,
        better_on: str | None = None,
        who: str = "",
        reason: str = "",
    ) -> Published:
        """Make a version the champion, or what ``alias`` says; remember who did it and why.

        Args:
            model: ``name:3`` or ``name@candidate``.
            alias: What it becomes.
            better_on: A metric on which it must be better than the present one, on the same test rows;
                ``None`` asks for no proof. Where there is no present one, none is needed.
            who: Promotes it; this process's user when left out.
            reason: In words.

        Raises:
            UserError: ``FLOW055`` for no such model, ``HUB007`` when it is not better, ``HUB008`` when
                the two cannot be compared.
        """
        found = self.get_model(model)
        if better_on is not None:
            held = [m for m in self.list_models(found.name) if alias in m.aliases]
            told = _proof(found, held[0], better_on) if held and held[0] != found else ""
            reason = "; ".join(part for part in (reason, told) if part)
        return self.set_alias(found.label, alias, who=who or this_user(), reason=reason)

    def delete_model(self, model: str, *, store: Store | None = None) -> Published:
        """Forget one version, its aliases included; its number is never given again.

        Args:
            model: As for `get_model`.
            store: Also let go of its files there; the next ``gc`` removes them.
        """
        return self.delete_published(Kind.MODEL, model, store=store)


def _proof(found: Published, held: Published, metric: str) -> str:
    """Say by how much a model is better than another.

    Raises:
        UserError: ``HUB007`` when it is not, ``HUB008`` when they cannot be compared.
    """
    scores = [model.metrics.get(metric) for model in (found, held)]
    for model, score in zip((found, held), scores, strict=True):
        if score is None:
            known = ", ".join(model.metrics) or "no metric"
            raise _incomparable(found, held, f"{model.label} has no score '{metric}', but {known}")
    rows = [model.facts.get(TEST_ROWS) for model in (found, held)]
    if rows[0] is None or rows[0] != rows[1]:
        raise _incomparable(found, held, "they were scored on different test rows")
    new, old = (float(score) for score in scores if score is not None)
    is_lower = metric in found.facts.get(LOWER_IS_BETTER, ())
    if not (new < old if is_lower else new > old):
        raise UserError(
            "HUB007",
            f"{found.label} reaches {metric} {new:.4f}, no better than the {old:.4f} of {held.label}.",
            "leave it, or promote it without --better-on.",
        )
    return f"{metric} {new:.4f} against {old:.4f} of {held.label} on the same test rows"


def _incomparable(found: Published, held: Published, why: str) -> UserError:
    return UserError(
        "HUB008",
        f"{found.label} cannot be compared with {held.label}: {why}.",
        "fit both on the same tables with the same splits, or promote without --better-on.",
    )
