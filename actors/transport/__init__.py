"""actors/transport"""
