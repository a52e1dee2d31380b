"""Security: who gets in, how and from where; what would let something out; what to do."""
