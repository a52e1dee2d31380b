"""Secrets around an installation: in files, git, processes and logs, findings E01 to E12."""
