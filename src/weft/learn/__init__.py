"""The ladder: rungs, metrics, search, calibration and an honest verdict."""

from weft.learn.calibration import Calibration, calibrate
from weft.learn.candidate import (
    Candidate,
    Predictor,
    fit_candidate,
    leave_out,
    read_candidate,
    read_predictions,
)
from weft.learn.choice import is_combining
from weft.learn.cohorts import Cohort, Cohorts, measure_cohorts
from weft.learn.coldstart import ColdStart, GroupScore, measure_cold_start
from weft.learn.conformal import Conformal, check_quantiles, quantile_name
from weft.learn.data import Outline, Rows, TrainingData, expand_frames
from weft.learn.embedding import embed_blocks
from weft.learn.encoder import Encoder
from weft.learn.encoders import (
    EncoderOptions,
    RawColumn,
    SentenceModel,
    Sentences,
    choose_kind,
    find_sentence_model,
    hold_model,
    hold_vectors,
    installed_model,
    model_files,
    write_vectors,
)
from weft.learn.evaluation import Evaluation, LeaderboardRow, evaluate
from weft.learn.examples import ExampleRow
from weft.learn.importance import Importance, Share, first_output, hop_of
from weft.learn.metrics import Metric, Needs, get_metric, metric_names, metrics_for
from weft.learn.neighborhood import Neighborhood, SeenCell, SeenRow
from weft.learn.networks.tracking import check_tracking
from weft.learn.output import RowExplanation, cannot_tell, explain_rows, predict_table
from weft.learn.ranking import RankingData, RankingRows
from weft.learn.recommendation import Block, Wanted, recommend_blocks
from weft.learn.registry import appetite_of, get_rung, is_search, load_model, rung_names, rungs_for
from weft.learn.rung import Budget, Header, Model, Rung, not_applicable
from weft.learn.rungs.network import has_torch, usual_network
from weft.learn.search import (
    check_space,
    default_space,
    differing,
    fixed_settings,
    heard_settings,
    read_space,
    unheard_names,
)
from weft.learn.storage import load_training_data, save_training_data, write_training_data
from weft.learn.verdict import Comparison, Verdict
from weft.learn.view import Asked, GraphView

__all__ = [
    "Asked",
    "Block",
    "Budget",
    "Calibration",
    "Candidate",
    "Cohort",
    "Cohorts",
    "ColdStart",
    "Comparison",
    "Conformal",
    "Encoder",
    "EncoderOptions",
    "Evaluation",
    "ExampleRow",
    "GraphView",
    "GroupScore",
    "Header",
    "Importance",
    "LeaderboardRow",
    "Metric",
    "Model",
    "Needs",
    "Neighborhood",
    "Outline",
    "Predictor",
    "RankingData",
    "RankingRows",
    "RawColumn",
    "RowExplanation",
    "Rows",
    "Rung",
    "SeenCell",
    "SeenRow",
    "SentenceModel",
    "Sentences",
    "Share",
    "TrainingData",
    "Verdict",
    "Wanted",
    "appetite_of",
    "calibrate",
    "cannot_tell",
    "check_quantiles",
    "check_space",
    "check_tracking",
    "choose_kind",
    "default_space",
    "differing",
    "embed_blocks",
    "evaluate",
    "expand_frames",
    "explain_rows",
    "find_sentence_model",
    "first_output",
    "fit_candidate",
    "fixed_settings",
    "get_metric",
    "get_rung",
    "has_torch",
    "heard_settings",
    "hold_model",
    "hold_vectors",
    "hop_of",
    "installed_model",
    "is_combining",
    "is_search",
    "leave_out",
    "load_model",
    "load_training_data",
    "measure_cohorts",
    "measure_cold_start",
    "metric_names",
    "metrics_for",
    "model_files",
    "not_applicable",
    "predict_table",
    "quantile_name",
    "read_candidate",
    "read_predictions",
    "read_space",
    "recommend_blocks",
    "rung_names",
    "rungs_for",
    "save_training_data",
    "unheard_names",
    "usual_network",
    "write_training_data",
    "write_vectors",
]
