"""Judging without a wire: the same core and rules, fed from a trace."""
