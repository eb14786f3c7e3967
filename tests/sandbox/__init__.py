"""tests/sandbox"""
