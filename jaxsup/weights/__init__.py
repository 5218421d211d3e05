"""Matrices of other people's models: reading them, a report on one, a comparison of two."""

from jaxsup.weights.comparison import compare as compare
from jaxsup.weights.diagnosis import diagnose as diagnose
from jaxsup.weights.read import read_weights as read_weights
