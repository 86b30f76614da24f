"""`python -m sbc_sim` is `sbc-sim`."""

from sbc_sim.cli import main

if __name__ == "__main__":
    main()
