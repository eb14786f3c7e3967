"""actors/books"""
