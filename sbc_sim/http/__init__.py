"""The HTTP interface: health, metrics, API."""
