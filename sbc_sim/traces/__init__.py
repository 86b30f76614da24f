"""Traces that somebody else took, pcap, pcapng or text, taken apart into octets and datagrams with their times."""
