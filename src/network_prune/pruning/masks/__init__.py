"""Masks on a network, on torch.nn.utils.prune."""
