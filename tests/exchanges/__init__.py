"""tests/exchanges"""
