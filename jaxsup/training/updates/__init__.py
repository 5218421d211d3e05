"""Updates, which are how a step is computed, and the one place that chooses among them."""

from jaxsup.training.updates.base import AbstractUpdate as AbstractUpdate
from jaxsup.training.updates.choice import choose_update as choose_update
from jaxsup.training.updates.choice import explain_update as explain_update
from jaxsup.training.updates.dense import Dense as Dense
from jaxsup.training.updates.finite import FiniteSet as FiniteSet
from jaxsup.training.updates.gathered import Gathered as Gathered
from jaxsup.training.updates.listed import Listed as Listed
from jaxsup.training.updates.population import Population as Population
from jaxsup.training.updates.population import TiedClosedForm as TiedClosedForm
