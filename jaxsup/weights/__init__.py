"""Matrices of other people's models: reading files of weights, and a report on one matrix.

All matrices of a checkpoint: `shards.list_checkpoint` lists its tensors, `tensors.select_tensors`
chooses, `table.measure_checkpoint` gives a row for each. `tails.fit_tail` fits a power law to the
upper end of any sample. Single features: `labels.read_labels` names them, `preparation.prepare`
centers and scales, `inspection.inspect_features` lists, and names the geometry of some. Two
matrices: `comparison.compare`.
"""

from jaxsup.weights.diagnosis import diagnose as diagnose
from jaxsup.weights.files.read import read_weights as read_weights

__all__ = [
    "diagnose",
    "read_weights",
]
