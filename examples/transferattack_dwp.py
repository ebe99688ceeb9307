"""Diversified weight pruning as an attack of a TransferAttack checkout.

Put this file where the checkout's Python finds it, and enter it in ``transferattack/__init__.py``
(or in a script of your own, before the attack is made)::

    import transferattack
    transferattack.attack_zoo["dwp"] = ("transferattack_dwp", "DWP")

Then ``python main.py --attack dwp --model resnet50 --input_dir … --output_dir …`` does the rest.
"""

from transferattack.gradient.mifgsm import MIFGSM

import network_prune


class DWP(MIFGSM):
    """MI-FGSM whose surrogates are pruned afresh in every forward.

    Source: arXiv 2208.08677, section 3.2.

    Args:
        model_name: a surrogate's name, or a list of them for an ensemble.
        p_prune: fraction of the convolutions' weights that is prunable.
        p_bern: probability that a prunable weight is pruned in one forward.
        granularity: ``weight`` as in the paper, ``connection`` or ``neuron``.
        seed: names the draws, with the surrogate's place in the ensemble added.
        attack: what TransferAttack calls it.
        options: those of TransferAttack's ``MIFGSM``.
    """

    def __init__(
        self,
        model_name,
        *,
        p_prune=0.7,
        p_bern=0.5,
        granularity="weight",
        seed=0,
        attack="DWP",
        **options,
    ):
        self._ranking = {"granularity": granularity, "p_prune": p_prune}
        self._drawing = {"p_bern": p_bern, "seed": seed}
        super().__init__(model_name, attack=attack, **options)

    def load_model(self, model_name):
        """Return TransferAttack's surrogate, or its ensemble, with draws instead of networks."""
        loaded = super().load_model(model_name)
        if not isinstance(model_name, list):
            return self._diversified(loaded)
        loaded.models = [
            self._diversified(model, place) for place, model in enumerate(loaded.models)
        ]
        return loaded

    def _diversified(self, model, place=0):
        model.requires_grad_(False)
        prunable = network_prune.rank(model, **self._ranking)
        drawing = {**self._drawing, "seed": self._drawing["seed"] + place}
        return network_prune.Diversified(model, prunable, **drawing)
