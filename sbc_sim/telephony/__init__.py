"""The Telephony Integration API as a model: voice calls, tokens, routing, handles. Pure."""
