"""What a database held at one exact moment, and whether another one holds the same."""
