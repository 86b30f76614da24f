"""The only memory: entries in the order of events, and the store that keeps them."""
