"""Networks as MindSpore cells, built from a plan."""
from tinynets.arch.zoo import list_models
from tinynets.model.network import FeatureExtractor, Network, create_model

__all__ = ['FeatureExtractor', 'Network', 'create_model', 'list_models']
