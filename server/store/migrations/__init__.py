"""Alembic's door: the tables' history, one file a step in ``versions/``, run at every start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError as MigrationFailed
from sqlalchemy import Connection

__all__ = ["MigrationFailed", "migrate"]


def migrate(connection: Connection) -> None:
    """Bring the database to the newest step, within the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
