"""Results files of feddip as xarray datasets, tables and pictures."""

from .results import Group, NotAResultsFile, Skipped, collect, group_runs, load
from .study import Entry, Family, Setting, as_dataset, families
from .tables import Table, markdown, summary_lines, summary_rows

__all__ = [
    "Entry",
    "Family",
    "Group",
    "NotAResultsFile",
    "Setting",
    "Skipped",
    "Table",
    "as_dataset",
    "collect",
    "families",
    "group_runs",
    "load",
    "markdown",
    "summary_lines",
    "summary_rows",
]
