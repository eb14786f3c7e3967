"""trochil/sandbox/market"""
