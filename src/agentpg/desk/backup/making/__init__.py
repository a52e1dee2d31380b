"""Making the files of a backup, one module for each kind of PostgreSQL's own tools."""
