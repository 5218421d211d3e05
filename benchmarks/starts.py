"""Starting weights of a sweep's networks, for contenders that are not jaxsup."""

from typing import Any


def starting_parameters(sweep: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Arrays `names` of every network before its first update, point by point, seed by seed."""
    import jax
    import numpy as np

    from jaxsup.experiment.experiment import initial_parameters

    arrays = []
    for index in np.ndindex(*sweep.shape):
        experiment = sweep.experiment_at(index)
        for seed in sweep.seeds:
            start = initial_parameters(experiment, jax.random.key(seed))
            arrays.append({name: np.asarray(getattr(start, name)) for name in names})
    return arrays


def training_seconds(sweep: Any, **options: Any) -> tuple[float, float]:
    """Seconds of `jaxsup.run` without compilation, and seconds of compilation."""
    import jaxsup

    reports: list[Any] = []
    jaxsup.run(sweep, progress=reports.append, **options)
    return reports[-1].seconds - reports[-1].compile_seconds, reports[-1].compile_seconds
