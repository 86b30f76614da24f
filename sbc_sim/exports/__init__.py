"""Documents made from journal entries. Pure."""
