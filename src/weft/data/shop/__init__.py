"""Generators: a shop with a known best possible score, and a retailer of any size."""

from weft.data.shop.generate import QUERIES, ShopInfo, generate_shop
from weft.data.shop.retail import RetailInfo, generate_retail

__all__ = ["QUERIES", "RetailInfo", "ShopInfo", "generate_retail", "generate_shop"]
