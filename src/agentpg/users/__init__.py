"""Accounts: who may do what, and how somebody proves who he is."""
