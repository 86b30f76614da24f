"""Twisted shells: TLS connections, media sockets, certificates."""
