"""The commands of the command line, one module for each kind. Top level: they may see every room."""
