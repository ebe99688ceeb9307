"""The public face, declared once: type checkers read it, and the package looks names up in it."""

from .core.prunable import Draw as Draw
from .core.prunable import PrunableSet as PrunableSet
from .errors import NetworkPruneError as NetworkPruneError
from .evaluation.evaluate import evaluate as evaluate
from .evaluation.memory import kept_memory as kept_memory
from .evaluation.metrics import Metrics as Metrics
from .pruning.in_place.redrawer import Redrawer as Redrawer
from .pruning.masks.prune import Pruned as Pruned
from .pruning.masks.prune import make_permanent as make_permanent
from .pruning.masks.prune import prune as prune
from .pruning.masks.prune import restore as restore
from .pruning.masks.shortcuts import prune_connections as prune_connections
from .pruning.masks.shortcuts import prune_neurons as prune_neurons
from .pruning.masks.shortcuts import prune_weights as prune_weights
from .pruning.ranking.rank import rank as rank
from .pruning.surrogates.backward_only import BackwardOnly as BackwardOnly
from .pruning.surrogates.diversified import Diversified as Diversified
from .pruning.surrogates.ensemble import Ensemble as Ensemble
from .results.study import Study as Study
from .results.study import load_study as load_study
from .reports.compare import compare as compare
from .sources.data.load import load_data as load_data
from .sources.networks.load import load_network as load_network
from .study.sweep import sweep as sweep
from .transfer.diversity import DrawsCompared as DrawsCompared
from .version import __version__ as __version__
