"""The cluster that the tests of this folder share."""

from tests.setup.debian import cluster

__all__ = ["cluster"]
