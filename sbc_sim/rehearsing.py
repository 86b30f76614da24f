"""The built-in partner: plays the partner's side of a rehearsal, step by step."""
