"""What inference, data quality and audit found, each with its evidence."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.StrEnum):
    """An alarm asks for a decision, a note informs."""

    ALARM = "alarm"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing found in the data.

    Attributes:
        rule: Short name of what was looked for, such as ``equals_aggregate``.
        severity: Alarms are acted on (the column is not used unless kept); notes are not.
        table: The table it is about.
        columns: The columns it is about; empty for the table as a whole.
        evidence: The values that show it, in one sentence.
        advice: What the user can do, in one sentence.
        confidence: Between 0 and 1.
    """

    rule: str
    severity: Severity
    table: str
    columns: tuple[str, ...]
    evidence: str
    advice: str
    confidence: float = 1.0

    @property
    def subject(self) -> str:
        """``table`` or ``table.column`` or ``table.[a, b]``."""
        if not self.columns:
            return self.table
        if len(self.columns) == 1:
            return f"{self.table}.{self.columns[0]}"
        return f"{self.table}.[{', '.join(self.columns)}]"

    @property
    def sentences(self) -> str:
        """Evidence and advice as sentences, each with its full stop."""
        return " ".join(_sentence(text) for text in (self.evidence, self.advice) if text)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


@dataclass(frozen=True)
class Evidence:
    """Why inference gave a column, key, time or link its meaning."""

    subject: str
    decision: str
    confidence: float
    reasons: tuple[str, ...]
    source: str = "inferred"
