"""Passwords of roles: made, judged, set unseen by the server, and their age, W01 to W04."""
