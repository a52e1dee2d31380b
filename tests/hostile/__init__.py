"""A hundred hostile inputs for each public entry: nothing crashes, leaks or is injected."""
