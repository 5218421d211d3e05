"""Matrices of other people's models: reading files of weights, and a report on one matrix."""

from jaxsup.weights.diagnosis import diagnose as diagnose
from jaxsup.weights.read import read_weights as read_weights
