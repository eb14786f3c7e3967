"""tests/cluster"""
