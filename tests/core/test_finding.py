"""Findings in words."""

from weft.core import Finding, Severity


def test_evidence_and_advice_are_two_sentences_however_they_were_written():
    told = Finding("rule", Severity.NOTE, "t", (), "two rows repeat, such as 5", "remove one")
    assert told.sentences == "Two rows repeat, such as 5. Remove one."
    assert Finding("rule", Severity.NOTE, "t", (), "It is odd.", "").sentences == "It is odd."
