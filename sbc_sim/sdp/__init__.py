"""Session descriptions, SDES crypto lines, offer and answer (RFC 8866, 3264, 4568). Pure."""
