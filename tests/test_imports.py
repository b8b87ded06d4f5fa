"""Who may import whom: the rule of the house, held by walking every module's imports."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import dqn_port
import pipelines

PACKAGE = Path(dqn_port.__file__).parent
LAYERS = (
    {"errors"},
    {"files", "fields", "external"},
    {"native"},
    {
        "randoms",
        "torch7",
        "events",
        "options",
        "devices",
        "records",
        "saved_networks",
        "memory",
    },
    {"interfaces", "state_dicts"},
    {"games", "arguments", "convolutions"},
    {"systems"},
    {"registry", "assemble"},
    {"runs"},
    {"exports", "tools", "verify", "bench"},
    {"cli"},
    {"__main__"},
)
"""From the leaves up: a module imports what stands below it, and its own folder."""
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
BESIDE = {("tools", "exports")}
"""What may import another of its own layer."""
OPENCV_ONLY_IN = {"tools", "bench"}


def imports(path: Path) -> set[str]:
    """Return the dotted names under dqn_port that a module imports, wherever in it."""
    found = dotted(path)
    return {name.removeprefix("dqn_port.") for name in found if name.startswith("dqn_port.")}


def names_of(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, wherever in it."""
    return {name.split(".")[0] for name in dotted(path)}


def dotted(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
PIPELINES = sorted(Path(pipelines.__file__).parent.rglob("*.py"))


def top_folder(path: Path) -> str:
    """Return the first folder below the package, or the module's own name."""
    return path.relative_to(PACKAGE).parts[0] if path.is_relative_to(PACKAGE) else ""


def top_of(path: Path) -> str:
    """Return a module's place in LAYERS: a system's traces and bench stand with verify, bench."""
    parts = [part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts]
    beside = {"traces": "verify", "bench": "bench", "screens": "tools"}
    return beside.get(parts[2], parts[0]) if parts[0] == "systems" and parts[2:] else parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_below_it(path):
    top = top_of(path)
    if top == "__init__":
        return
    for used in {name.split(".")[0] for name in imports(path)} - {top, "__version__"}:
        assert RANK[used] < RANK[top] or (top, used) in BESIDE, used


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_system_imports_another_and_only_setup_looks_parts_up(path):
    used = imports(path)
    if top_of(path) == "systems" and path.parent.name != "systems":
        own = path.relative_to(PACKAGE).parts[1]
        others = {name for name in used if name.startswith("systems.")}
        assert {name.split(".")[1] for name in others} <= {own}
    if path.name != "setup.py":
        assert not [name for name in used if name.startswith("systems.lua_dqn.parts")]


LUA_WORDS = re.compile(
    r"\b(learn_start|actrep|eval_freq|qmax)\b|[\"'](v|td)[\"']|\bhistory\.(v|td)\b"
)
KNOW_LUA = ("systems", "torch7")


@pytest.mark.parametrize(
    "path", [p for p in [*MODULES, *PIPELINES] if top_folder(p) not in KNOW_LUA], ids=str
)
def test_the_workshop_names_nothing_of_the_lua_programs(path):
    found = LUA_WORDS.search(path.read_text())
    assert found is None, found
    if path.name not in ("registry.py", "assemble.py"):
        named = re.search(r"systems\.(\w+_\w+|hvass16)", path.read_text())
        assert named is None, "only the registry names the systems"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_cli_imports_the_pipelines(path):
    if path.relative_to(PACKAGE).parts[0] != "cli":
        assert "pipelines" not in names_of(path)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.name)
def test_the_pipelines_import_the_library_and_not_its_cli(path):
    assert "cli" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_opencv_and_prints_stand_only_where_they_belong(path):
    tree = ast.parse(path.read_text())
    at_top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in at_top for alias in node.names}
    assert "cv2" not in names, (
        "opencv-python is imported where it is used, so that it may be absent"
    )
    if "cv2" in path.read_text():
        assert top_of(path) in OPENCV_ONLY_IN or path.parent.name in OPENCV_ONLY_IN
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call)
             and isinstance(n.func, ast.Name)}  # fmt: skip
    assert "print" not in calls
    assert "eval" not in calls
    assert "exec" not in calls


def test_the_walk_sees_the_modules():
    assert len(MODULES) > 30
    assert len(PIPELINES) > 8
    assert "luigi" in names_of(PIPELINES[0].with_name("base.py"))
    setup = imports(PACKAGE / "systems" / "lua_dqn" / "setup.py")
    assert {"errors", "systems"} <= {name.split(".")[0] for name in setup}


def test_every_test_that_is_named_is_there():
    root = Path(__file__).parent.parent
    pages = [*PACKAGE.rglob("*.py"), *(root / "docs").glob("*.md"), root / "README.md"]
    named = {
        (page.name, name)
        for page in pages
        for name in re.findall(r"\btests/[\w/]+\.py", page.read_text())
    }
    assert named
    assert [pair for pair in sorted(named) if not (root / pair[1]).is_file()] == []
