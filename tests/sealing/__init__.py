"""Keys, the form of what is sealed, and the rules of what is."""
