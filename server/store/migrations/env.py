"""What Alembic runs: the steps, on the connection that ``migrate`` was given."""

from alembic import context

from server.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
