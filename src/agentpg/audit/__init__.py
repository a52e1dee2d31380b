"""The audit log: who did what to an installation, in a chain that shows what was changed."""
