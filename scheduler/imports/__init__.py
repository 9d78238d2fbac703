"""
Other tools' configuration as a job file: an open set of importers, and the one table of them.

To add one: its file with a ``read`` from the texts of its files to ``Imported``, its line in ``IMPORTERS``, its command
under the verb ``import``. It generates keys of the job file only; what it cannot translate, it says.
"""

from collections.abc import Callable, Mapping

from scheduler.imports import blackbox, gatus, nodeget
from scheduler.imports.interface import Imported
from scheduler.imports.sources import open_source
from scheduler.imports.writing import job_file
from scheduler.jobfile.files import File

__all__ = ["IMPORTERS", "File", "Imported", "job_file", "open_source"]

IMPORTERS: Mapping[str, Callable[..., Imported]] = {
    "blackbox": blackbox.read,
    "gatus": gatus.read,
    "nodeget": nodeget.read,
}
