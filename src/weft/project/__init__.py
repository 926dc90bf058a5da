"""The Python face: connect, Graph, Query, Run, and the project folder that keeps what they make."""

from weft.project.cleaning import collect_garbage
from weft.project.datasets import DataSet, dataset, publish_dataset
from weft.project.embedding import embed_to
from weft.project.explanation import Explanation, GlobalExplanation
from weft.project.finished import open_run
from weft.project.folder import ProjectFolder
from weft.project.graph import Connection, Graph, connect, from_relbench, open_project
from weft.project.prediction import Asking, predict_to
from weft.project.proposals import propose_queries
from weft.project.query import Query
from weft.project.query_explanation import QueryExplanation
from weft.project.run import Run
from weft.project.run_list import jobs_view, runs_view
from weft.project.sdk import Flow, Session, Submitted, Task, TaskCall, task
from weft.project.settings import FILE_NAME as SETTINGS_FILE
from weft.project.settings import ProjectSettings, QuerySettings
from weft.project.showcase import Showcase, make_demo
from weft.project.start import init_project
from weft.project.views import (
    View,
    links_view,
    models_view,
    tables_view,
    verify_store,
)
from weft.project.workspaces import Workspace, Workspaces, open_workspaces

__all__ = [
    "SETTINGS_FILE",
    "Asking",
    "Connection",
    "DataSet",
    "Explanation",
    "Flow",
    "GlobalExplanation",
    "Graph",
    "ProjectFolder",
    "ProjectSettings",
    "Query",
    "QueryExplanation",
    "QuerySettings",
    "Run",
    "Session",
    "Showcase",
    "Submitted",
    "Task",
    "TaskCall",
    "View",
    "Workspace",
    "Workspaces",
    "collect_garbage",
    "connect",
    "dataset",
    "embed_to",
    "from_relbench",
    "init_project",
    "jobs_view",
    "links_view",
    "make_demo",
    "models_view",
    "open_project",
    "open_run",
    "open_workspaces",
    "predict_to",
    "propose_queries",
    "publish_dataset",
    "runs_view",
    "tables_view",
    "task",
    "verify_store",
]
