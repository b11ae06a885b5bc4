"""Architecture as data: specifications, scaling, plans and their cost. Pure Python, no MindSpore import."""
from tinynets.arch.complexity import Complexity, LayerCost, layer_costs, measure
from tinynets.arch.costs import COSTS, MACS, Cost, all_costs, cost_named
from tinynets.arch.layers import Layer, block_layers
from tinynets.arch.spec import BlockPlan, NetPlan, NetSpec, SqueezeSpec, StageSpec, TimmNames, expand, scale
from tinynets.arch.zoo import list_models, resolve

__all__ = [
    'COSTS', 'MACS', 'BlockPlan', 'Complexity', 'Cost', 'Layer', 'LayerCost', 'NetPlan', 'NetSpec', 'SqueezeSpec',
    'StageSpec', 'TimmNames', 'all_costs', 'block_layers', 'cost_named', 'expand', 'layer_costs', 'list_models',
    'measure', 'resolve', 'scale']
