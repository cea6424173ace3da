"""Run by alembic: migrate over the connection that `sinks.store.migrate` hands in."""

from alembic import context

from sinks.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
