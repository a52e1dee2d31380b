"""Where backups lie, what is said of them there, and how their files are sealed."""
