"""What a recipe will cost, before anyone pays: memory, hours and dollars on a table of GPUs."""

from .gpus import GPU, Market, load_market
from .recipe_plan import Bill, Plan, plan_recipe

__all__ = ["GPU", "Bill", "Market", "Plan", "load_market", "plan_recipe"]
