"""A stand-in for a language model: a server that speaks the vendors' protocols.

It is a process of its own and answers over HTTP as the real endpoints do, with streaming
and usage, so that agents, demos and tests run the same code without an account. It is no
model: it answers with the most central sentences of what it was sent, and says so in the
header `x-stand-in` and in `system_fingerprint`.
"""

from agentpg.agents.standin.child import StandIn

__all__ = ["StandIn"]
