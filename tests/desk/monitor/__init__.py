"""Looking at a server while it works, on real servers."""
