"""Candidates for link prediction."""

from weft.data.candidates.build import Candidates, build_candidates
from weft.data.candidates.options import CandidateOptions

__all__ = ["CandidateOptions", "Candidates", "build_candidates"]
