"""Faults in reading what venues say."""
