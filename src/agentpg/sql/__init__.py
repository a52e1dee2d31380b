"""Text only: the schema, its migrations, and one file of statements per room."""
