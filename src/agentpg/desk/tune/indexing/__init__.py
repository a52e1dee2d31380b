"""Indexes: proposed for the whole workload, tried, made and dropped with a way back."""
