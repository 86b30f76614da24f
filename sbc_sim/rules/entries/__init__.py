"""The words of the catalogue: every rule with why it is there, how to mend a breach, and the settings of known platforms. Data only."""
