"""The compile room."""
