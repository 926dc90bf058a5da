"""Candidates for link prediction."""

from weft.data.candidates.build import Candidates, build_candidates, find_seen
from weft.data.candidates.options import CandidateOptions

__all__ = ["CandidateOptions", "Candidates", "build_candidates", "find_seen"]
