"""TLS of an installation: a private authority, certificates of it, and what they are good for."""
