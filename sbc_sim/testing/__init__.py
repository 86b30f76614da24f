"""What a partner's test suite holds in its hands: a simulator of its own, the calls that it took, and failures that explain themselves."""
