"""The table of what forms when, as text."""

from __future__ import annotations

from collections.abc import Sequence

from jaxsup.fit.intervals import Estimate
from jaxsup.reproduce.analysis.formation_table import ABOUT_ONE, OBSERVABLES, SHARES, Course, Row


def lines(table: Sequence[Row]) -> list[str]:
    """The table as text: of each row its stretches, then what forms and when."""
    return [line for row in table for line in (*_row_lines(row), "")][:-1]


def _row_lines(row: Row) -> list[str]:
    lost = ""
    if row.silent or row.diverged:
        lost = f" ({row.silent} seeds silent, {row.diverged} diverged)"
    head = f"{row.name}, N/K = {row.features / row.latent:g}, eta = {row.learning_rate:g}"
    head += f", {len(row.loss)} seeds{lost}"
    if not row.courses:
        return [f"{head}: every seed diverged or fell silent"]
    names = "".join(f"  {name.removeprefix('response_'):>22}" for name in row.courses)
    found = [head, f"  {'stretch of L(t), steps':<44} {'log t':>6}{names}"]
    for place, stretch in enumerate(row.stretches):
        first, last = row.edges[place : place + 2]
        exponent = f"{stretch.exponent:.2f}"
        label = f"{stretch.kind} {exponent}, {first:.0f}..{last:.0f}"
        cells = [course.stretches[place] for course in row.courses.values()]
        found.append(f"  {label:<44} {row.time_shares[place]:6.0%}{_cells(cells, '.0%')}")
    about = f"  {'local exponent in {:g}..{:g}'.format(*ABOUT_ONE):<44} {row.time_about_one:6.0%}"
    courses = list(row.courses.values())
    found.append(about + _cells([course.about_one for course in courses], ".0%"))
    for place, share in enumerate(SHARES):
        label = f"step at which {share:.0%} of the change is made"
        found.append(f"  {label:<51}{_cells([course.steps[place] for course in courses], '.0f')}")
    label = "rank correlation of rate and local exponent"
    found.append(f"  {label:<51}{_cells([course.correlation for course in courses], '.2f')}")
    steepest = row.steepest.place if row.steepest else "-"
    if row.steepest and row.steepest.step:
        steepest = with_interval(row.steepest.step, ".0f")
    found.append(
        f"  {f'loss is steepest at step: {steepest}; fastest at step':<51}{_peaks(courses)}"
    )
    label = "decades from the one to the other"
    found.append(f"  {label:<51}{_cells([course.delay for course in courses], '.2f')}")
    ends = [f"{f.first:.3f} | {f.start:.3f} -> {f.end:.3f}" for f in courses]
    label = "value at step 0 | from here on"
    found.append(f"  {label:<51}" + "".join(f"  {text:>22}" for text in ends))
    straight = [f"{course.directness:.0%}" for course in courses]
    label = "change over the length of the way"
    return [*found, f"  {label:<51}" + "".join(f"  {text:>22}" for text in straight)]


def _peaks(courses: Sequence[Course]) -> str:
    """Where each rate is largest."""
    steps = [course.fastest.step for course in courses]
    texts = [
        course.fastest.place if step is None else with_interval(step, ".0f")
        for course, step in zip(courses, steps, strict=True)
    ]
    return "".join(f"  {text:>22}" for text in texts)


def _cells(estimates: Sequence[Estimate | None], style: str) -> str:
    """Each estimate with its interval, aligned."""
    texts = ["-" if e is None else with_interval(e, style) for e in estimates]
    return "".join(f"  {text:>22}" for text in texts)


def with_interval(estimate: Estimate, style: str) -> str:
    """The number and, in brackets, the ends of its interval, each in this format."""
    value, low, high = (format(number, style) for number in estimate[:3])
    return f"{value} ({low} to {high})"


def summary(table: Sequence[Row]) -> list[str]:
    """In which stretch half of the saturation's change has formed, a sentence a row."""
    sentences = []
    for row in table:
        course = row.courses.get(OBSERVABLES[0])
        half = course.steps[1] if course else None
        stretch = row.stretch_at(half.value) if half else None
        if half is None or stretch is None:
            sentences.append(f"{row.name}: nothing forms that can be told")
            continue
        assert course is not None
        sentence = f"{row.name}: half of the change of saturation is made at step "
        sentence += f"{with_interval(half, '.0f')}, in a {stretch.kind} of exponent "
        sentence += f"{stretch.exponent:.2f}"
        if course.about_one is not None:
            sentence += (
                f"; {with_interval(course.about_one, '.0%')} of it while the local exponent "
            )
            sentence += f"is about 1, which is {row.time_about_one:.0%} of log t"
        if course.delay is not None:
            sentence += "; from the steepest loss to the fastest saturation it is "
            sentence += f"{with_interval(course.delay, '.2f')} decades"
        sentences.append(sentence)
    return sentences
