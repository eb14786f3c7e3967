"""tests/actors"""
