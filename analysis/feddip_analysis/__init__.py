"""Results files of feddip as xarray datasets, tables and pictures."""

from .results import NotAResultsFile, Group, group_runs, load
from .tables import markdown, summary_lines, summary_rows

__all__ = [
    "Group",
    "NotAResultsFile",
    "group_runs",
    "load",
    "markdown",
    "summary_lines",
    "summary_rows",
]
