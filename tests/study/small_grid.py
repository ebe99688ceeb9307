"""A grid of a second or so, with the embedded network: 13 records."""

GRID = {
    "method": ["weights", "neurons"],
    "p_prune": [0.2, 0.4],
    "p_bern": [1, 0.5],
    "draws": 2,
    "limit": 60,
    "batch_size": 16,
}
