"""Apps whose handlers run in worker processes of their own."""
