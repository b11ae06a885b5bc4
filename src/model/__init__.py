"""Networks as MindSpore cells, built from a plan."""
from src.arch.zoo import list_models
from src.model.network import FeatureExtractor, Network, create_model

__all__ = ['FeatureExtractor', 'Network', 'create_model', 'list_models']
