"""The audit: what must not be used, with evidence in the data, and what the user decides about it."""

from weft.data.audit.audit import RULES, audit_tables
from weft.data.audit.decisions import Decisions, decide

__all__ = ["RULES", "Decisions", "audit_tables", "decide"]
