"""Tenants: each login of a client is bound to one, and row-level security keeps them apart."""
