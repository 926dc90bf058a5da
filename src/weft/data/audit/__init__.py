"""The audit: what must not be used, with evidence in the data, and what the user decides about it."""

from weft.data.audit.audit import RULES, audit_tables
from weft.data.audit.decisions import Decisions, decide
from weft.data.audit.query_reads_latest import RULE as QUERY_READS_LATEST

__all__ = ["QUERY_READS_LATEST", "RULES", "Decisions", "audit_tables", "decide"]
