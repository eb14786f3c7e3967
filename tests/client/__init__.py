"""tests/client"""
