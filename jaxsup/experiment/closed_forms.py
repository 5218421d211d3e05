"""Which closed form the population loss of an experiment has."""

from typing import Literal

from jaxsup.experiment.abstract_student import AbstractStudent
from jaxsup.experiment.activations import Identity, ReLU
from jaxsup.experiment.features import AbstractFeatures, OneActiveFeatures
from jaxsup.experiment.features.registry import FEATURES
from jaxsup.experiment.students import Student
from jaxsup.experiment.teachers import AbstractTeacher, DiagonalTeacher, MatrixTeacher

ClosedForm = Literal["linear", "one-active"]


def closed_form(
    features: AbstractFeatures, teacher: AbstractTeacher, student: AbstractStudent
) -> ClosedForm | None:
    """The closed form of the expected squared errors; None if there is none.

    ``"linear"``: phi is the identity, the target linear and the data's second moments are known;
    ``"one-active"``: a ReLU student without noise on exactly one active feature, with a diagonal
    teacher. A subclass of `Student` may compute anything: no form is taken to hold for it.
    """
    if type(student) is not Student:
        return None
    if type(student.activation) is Identity:
        return "linear" if _has_moments(features) and _is_linear(teacher, features.count) else None
    if (
        student.hidden_noise is None
        and type(student.activation) is ReLU
        and type(features) is OneActiveFeatures
        and type(teacher) is DiagonalTeacher
    ):
        return "one-active"
    return None


def _has_moments(features: AbstractFeatures) -> bool:
    """Whether the law's own class says what its moments are: inherited ones may be another's."""
    if type(features) in FEATURES:
        return True
    return "moments" in vars(type(features)) and features.moments() is not None


def _is_linear(teacher: AbstractTeacher, count: int) -> bool:
    """Whether the target is y = A x with an A that the teacher's own class gives."""
    if type(teacher) in (DiagonalTeacher, MatrixTeacher):
        return True
    return "matrix_for" in vars(type(teacher)) and teacher.matrix_for(count) is not None
