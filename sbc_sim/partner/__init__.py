"""The partner's side of a call. Pure."""
