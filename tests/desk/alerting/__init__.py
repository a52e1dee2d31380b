"""From what is wrong on a real server to the message about it."""
