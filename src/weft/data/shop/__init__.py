"""Generators: a shop with a known best possible score, and a retailer of any size."""

from weft.data.shop.generate import QUERIES, ShopInfo, generate_shop

__all__ = ["QUERIES", "ShopInfo", "generate_shop"]
