"""The estimate of what a recipe costs before it is run: memory, hours and dollars on each GPU of a catalog."""

from .gpus import GPU, GpuCatalog, load_gpu_catalog
from .recipe_plan import CostEstimate, Plan, plan_recipe

__all__ = ["GPU", "CostEstimate", "GpuCatalog", "Plan", "load_gpu_catalog", "plan_recipe"]
