"""The site's own programs (`docs/hooks`): every public name has a place, links are followed."""

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import test_public_names as public

ROOT = Path(__file__).parent.parent
HOOKS = ROOT / "docs" / "hooks"


@pytest.fixture(scope="module")
def hooks() -> SimpleNamespace:
    """The modules by name; they are no package, and import each other from their folder."""
    sys.path.insert(0, str(HOOKS))
    try:
        names = ("command_help", "links", "notebooks", "public_names", "reference")
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(HOOKS))


@pytest.fixture(scope="module")
def paths(hooks: SimpleNamespace) -> set[str]:
    """The documented paths of the reference."""
    pages = hooks.reference.pages(hooks.public_names.packages())
    listed = [path for held in pages.values() for path in held]
    assert len(listed) == len(set(listed))  # one anchor each
    return set(listed)


def test_every_public_name_has_its_place(paths: set[str]) -> None:
    """Of the face, by the list that the tests hold it to; rooms and presets are pages."""
    modules = {"fit", "geometry", "plot", "reproduce", "spectral", "theory", "weights", "toys"}
    expected = {
        ".".join(["jaxsup", *room.split(), name])
        for room, names in public.FACE.items()
        for name in names.split()
        if name not in modules
    }
    assert expected <= paths


def test_every_module_shows_all_it_defines(hooks: SimpleNamespace, paths: set[str]) -> None:
    """Against imported modules: what says that it was defined there, under its own name."""
    home = hooks.public_names.homes(hooks.public_names.packages())
    for name in ("fit.intervals", "theory.linear", "spectral.nulls", "training.updates.choice"):
        module = importlib.import_module(f"jaxsup.{name}")
        defined = {
            f"{module.__name__}.{key}"
            for key, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__ and not key.startswith("_")
        }
        assert len(defined) >= 2
        assert {home[path] for path in defined} <= paths


def test_one_home_for_each_object(hooks: SimpleNamespace) -> None:
    home = hooks.public_names.homes(hooks.public_names.packages())
    assert home["jaxsup.experiment.features.gaussian.GaussianFeatures"] == "jaxsup.GaussianFeatures"
    assert home["jaxsup.experiment.features.GaussianFeatures"] == "jaxsup.GaussianFeatures"
    assert home["jaxsup.fit.intervals.from_share"] == "jaxsup.fit.intervals.from_share"
    assert not [path for path in home if "._internal" in path or ".cli." in path]


def test_every_page_has_a_place_in_the_navigation(hooks: SimpleNamespace) -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    written = [p for p in (ROOT / "docs").rglob("*") if p.suffix in {".md", ".py"}]
    pages = {
        path.relative_to(ROOT / "docs").with_suffix(".md").as_posix()
        for path in written
        if HOOKS not in path.parents
    }
    missing = {page for page in pages | {hooks.command_help.PAGE} if f": {page}\n" not in text}
    assert len(pages) > 15
    assert not missing


def test_programs_of_the_site_end_where_a_command_fails(hooks: SimpleNamespace) -> None:
    """A line with "!" hides what fails; the hook refuses it, so no page may have one."""
    for path in (ROOT / "docs").rglob("*.py"):
        if HOOKS not in path.parents:
            source = path.read_text()
            ast.parse(source)
            assert source.startswith(("# %%", "# ---\n# jupyter:")), path
            assert "\n# !" not in source, path


def test_help_is_read_from_its_boxes(hooks: SimpleNamespace) -> None:
    boxes = "\n".join(
        [
            "╭─ options ─────────────────────────────╮",
            "│ -h, --help   show this                 │",
            "│ --out {None}|PATH                      │",
            "│              Folder of the dataset.    │",
            "│              (default: None)           │",
            "╰────────────────────────────────────────╯",
        ]
    )
    tables = hooks.command_help.read_boxes(boxes)
    assert tables == {
        "options": [
            ("-h, --help", "show this"),
            ("--out {None}|PATH", "Folder of the dataset.\n(default: None)"),
        ]
    }
    assert hooks.command_help.entry(*tables["options"][1]) == [
        "`--out PATH`",
        ":   Folder of the dataset.",
        "",
    ]
    escaped = hooks.command_help.escaped("trainer_state.json, `a_b --x`, --set k")
    assert escaped == r"trainer\_state.json, `a_b --x`, `--set` k"


def test_output_is_what_a_terminal_shows_in_the_end(hooks: SimpleNamespace) -> None:
    shown = hooks.notebooks.printed_text("\x1b[32m 0%\r 50%\r100%\x1b[0m\ndone ```\n")
    assert shown == "```` { .text .output }\n100%\ndone ```\n````"
    assert hooks.notebooks.listing("%%bash\njaxsup list") == "``` bash\njaxsup list\n```"


def site(folder: Path, **pages: str) -> Path:
    for name, body in pages.items():
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(f"<html><body>{body}</body></html>")
    return folder


def test_links_are_followed(hooks: SimpleNamespace, tmp_path: Path) -> None:
    wrong, outside = hooks.links.problems(
        site(
            tmp_path,
            one='<h2 id="here">x</h2><a href="../two/#there">y</a><a href="#here">z</a>',
            two='<a name="there"></a><a href="../one/">y</a><a href="https://arxiv.org/abs/1">a</a>',
        )
    )
    assert wrong == []
    assert outside == {"https://arxiv.org/abs/1": {"two/index.html"}}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="../gone/">x</a>', "nothing at ../gone/"),
        ('<a href="#gone">x</a>', "no anchor #gone"),
        ('<img src="gone.png">', "nothing at gone.png"),
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/f.css">', "loads //fonts.example/f.css"),
    ],
)
def test_dangling_links_are_found(
    hooks: SimpleNamespace, tmp_path: Path, body: str, problem: str
) -> None:
    wrong, _ = hooks.links.problems(site(tmp_path, one=body))
    assert wrong == [f"one/index.html: {problem}"]


def test_names_in_prose_become_links(hooks: SimpleNamespace) -> None:
    link: ModuleType = hooks.reference
    assert link.link_names("see `jaxsup.run`") == "see [`jaxsup.run`][jaxsup.run]"
    same = "# `jaxsup.run`\n```\n`jaxsup.run`\n```\n`jaxsup.unknown`, [`jaxsup.run`](x.md)"
    assert link.link_names(same) == same
