"""SIP as values and state machines (RFC 3261 and its extensions). Pure."""
