"""Looking at a server and an installation while they work; nothing here changes anything."""
