"""Calls and the switchboard: the door of the core. Pure."""
