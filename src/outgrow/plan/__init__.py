"""What a recipe will cost, before anyone pays: memory, hours and dollars on a table of GPUs."""

from .gpus import GPU, GpuCatalog, load_gpu_catalog
from .recipe_plan import CostEstimate, Plan, plan_recipe

__all__ = ["GPU", "CostEstimate", "GpuCatalog", "Plan", "load_gpu_catalog", "plan_recipe"]
