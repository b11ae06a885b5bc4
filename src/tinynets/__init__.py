"""TinyNets for MindSpore: small vision networks from a budget, trained, checked and exported."""

__version__ = '1.0.0'
