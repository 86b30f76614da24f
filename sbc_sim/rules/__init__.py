"""What is right and wrong about a call, why, and how to mend it. Pure."""
