"""What `jaxsup sweep --dry-run` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxsup.sweep.forecast import Forecast, ProgramForecast


def format_forecast(plan: Forecast) -> str:
    """A forecast for people."""
    from jaxsup.sweep.memory import format_bytes

    lines = [
        f"networks  {plan.networks}: {plan.settings} settings, {plan.seeds} seeds",
        f"programs  {len(plan.programs)}",
        *(line for program in plan.programs for line in _program_lines(program)),
        f"dataset   {format_bytes(plan.disk_bytes)} of arrays before compression, and files that "
        "describe them (some 100 KiB, more with many tiles)",
    ]
    if plan.seconds is None or plan.compilation is None:
        lines.append("time      not known: memory held no program for a trial")
        return "\n".join(lines)
    timed = [program.timing for program in plan.programs if program.timing is not None]
    updates = ", ".join(str(timing.updates) for timing in timed[:8]) + ", ..." * (len(timed) > 8)
    lines += [
        f"time      about {format_seconds(plan.seconds)} of training, and "
        f"{format_seconds(plan.compilation)} of compilation, on {plan.devices} devices",
        f"          from {updates} timed updates of {len(timed)} programs, and one record of each",
        "          other users of the machine make it longer, and networks that diverge shorter",
    ]
    untimed = len(plan.programs) - len(timed)
    if untimed:
        lines.append(
            f"          {untimed} programs were not timed: taken to be as fast in arithmetic"
        )
    return "\n".join(lines)


def _program_lines(program: ProgramForecast) -> list[str]:
    time = "not known" if program.seconds is None else format_seconds(program.seconds)
    return [
        f"          {program.plan}",
        f"            {program.settings} settings, {program.networks} networks, in "
        f"{program.parts} parts; {program.updates} updates, {program.records} records; "
        f"about {time} of training",
    ]


def format_seconds(seconds: float) -> str:
    """A duration for people.

    >>> format_seconds(0.034), format_seconds(7.26), format_seconds(200), format_seconds(8000)
    ('0.034 s', '7.3 s', '3.3 min', '2.2 h')
    """
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
