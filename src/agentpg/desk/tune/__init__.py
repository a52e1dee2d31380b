"""Changes that keep a database fast and small: each shown before, and measured afterwards."""
