"""trochil/commands"""
