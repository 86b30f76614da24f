"""The Telephony Integration API as a model: voice calls, tokens, routing. Pure; filled in by a later issue."""
