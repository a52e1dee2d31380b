"""Roles by least privilege: who may do what in an installation, wished and present."""
