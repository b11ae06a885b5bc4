"""TinyNets for MindSpore: small vision networks from a budget, trained, checked and exported."""
