"""Architecture as data: specifications, scaling, plans and their cost. Pure Python, no MindSpore import."""
from tinynets.arch.complexity import Complexity, LayerCost, layer_costs, measure
from tinynets.arch.spec import BlockPlan, NetPlan, NetSpec, SqueezeSpec, StageSpec, expand, scale
from tinynets.arch.zoo import list_models, resolve

__all__ = ['BlockPlan', 'Complexity', 'LayerCost', 'NetPlan', 'NetSpec', 'SqueezeSpec', 'StageSpec', 'expand',
           'layer_costs', 'list_models', 'measure', 'resolve', 'scale']
