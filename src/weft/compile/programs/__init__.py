"""The programs that the nodes of a predictive Plan name."""

from weft.compile.programs.answers import (
    embed_seeds,
    explain_entity,
    make_seed_features,
    make_seeds,
    predict_seeds,
)
from weft.compile.programs.learning import (
    encode_features,
    evaluate_candidates,
    explain_cohorts,
    fit_candidate,
    materialize_graph,
    propose_trials,
)
from weft.compile.programs.sentences import list_texts, read_sentences
from weft.compile.programs.tables import (
    audit_tables,
    make_candidates,
    make_features,
    make_labels,
    prepare_tables,
    profile_tables,
    take_snapshot,
)

__all__ = [
    "audit_tables",
    "embed_seeds",
    "encode_features",
    "evaluate_candidates",
    "explain_cohorts",
    "explain_entity",
    "fit_candidate",
    "list_texts",
    "make_candidates",
    "make_features",
    "make_labels",
    "make_seed_features",
    "make_seeds",
    "materialize_graph",
    "predict_seeds",
    "prepare_tables",
    "profile_tables",
    "propose_trials",
    "read_sentences",
    "take_snapshot",
]
