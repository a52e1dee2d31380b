"""Metrics for Prometheus: what is measured, how it is collected, and how it is handed out."""
