"""The program that runs one attempt, the same on every backend."""

from weft.flow.worker.result import AttemptResult, error_of, keep_result, read_log, read_result

__all__ = ["AttemptResult", "error_of", "keep_result", "read_log", "read_result"]
