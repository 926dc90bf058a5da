"""The pql room."""
