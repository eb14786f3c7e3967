"""Mistakes made on purpose in the adapters, one at a time: which of them do mypy and the tests
find?"""
