"""tests/orderbook"""
