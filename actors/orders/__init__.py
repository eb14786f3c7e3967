"""actors/orders"""
