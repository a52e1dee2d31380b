"""From findings to alerts: looking, deciding, telling, and what goes on without the database."""
