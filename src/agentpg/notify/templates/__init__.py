"""The form of messages that are read in colour."""
