"""Measurements: `make bench`. Numbers of one run on one machine; compare runs on the same machine only."""
