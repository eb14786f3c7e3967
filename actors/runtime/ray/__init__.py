"""actors/runtime/ray"""
