"""The simulator as a container of a test suite, by the library Testcontainers: pip install "sbc-sim[testcontainers]"."""
