"""Who may import whom: the rule of the house, held by walking every module's imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dqn_port
import pipelines

PACKAGE = Path(dqn_port.__file__).parent
SLOTS = ("frameworks", "preprocs", "networks", "replays", "agents")
LEAVES = {"errors", "schedule", "torch7", "interfaces", "native", "state_fields"}
OPENCV_ONLY_IN = {"tools"}


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


def allowed(top: str) -> set[str] | None:
    """Return the top-level names that ``top`` may import; None: anything but the cli."""
    if top in ("errors", "schedule"):
        return {"errors"}
    if top == "native":
        return {"native"}
    if top in ("files", "lock", "state_fields"):
        return {"errors"}
    if top == "state_file":
        return {"errors", "torch7"}
    if top == "checkpoint":
        return {"errors", "files", "interfaces", "state_file"}
    if top == "torch7":
        return {"errors", "files", "torch7"}
    if top == "interfaces":
        return {"torch7"}
    if top in SLOTS:
        return LEAVES | {top}
    if top == "registry":
        return {"errors"}
    if top == "histories":
        return {"errors", "interfaces"}
    if top == "weights_file":
        return {"errors", "torch7"}
    if top == "snapshot":
        return {"errors", "histories", "interfaces", "torch7", "weights_file"}
    if top == "options":
        return {"errors", "interfaces", "torch7"}
    if top == "checks":
        return {"errors", "options", "torch7"}
    if top == "devices":
        return {"errors", "native", "options", "torch7"}
    if top == "drafts":
        return {"errors", "interfaces", "options", "torch7"}
    if top == "evaluate":
        return {"errors", "interfaces"}
    if top == "train":
        return {"errors", "evaluate", "histories", "interfaces", "options"}
    if top == "verify":
        spine = {"assemble", "devices", "drafts", "options", "snapshot", "train"}
        return LEAVES | {*SLOTS, *spine, top}
    if top == "exports":
        spine = {"histories", "run_folder", "schedule", "snapshot", "train"}
        return {"errors", "exports", "files", "torch7", *spine}
    return None


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_the_house_allows(path):
    top = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    used = {name.split(".")[0] for name in imports(path)}
    if top not in ("cli", "__main__"):
        assert "cli" not in used
    if top not in ("cli", "verify"):
        assert "verify" not in used
    if top not in ("cli", "bench"):
        assert "bench" not in used
    if top != "assemble":
        assert "registry" not in used, "only assemble looks parts up"
    may = allowed(top)
    if may is not None:
        assert used <= may


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_cli_imports_the_pipelines(path):
    if path.relative_to(PACKAGE).parts[0] != "cli":
        assert "pipelines" not in names_of(path)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.name)
def test_the_pipelines_import_the_library_and_not_its_cli(path):
    assert "cli" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_opencv_and_prints_stand_only_where_they_belong(path):
    top = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    tree = ast.parse(path.read_text())
    at_top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in at_top for alias in node.names}
    assert "cv2" not in names, (
        "opencv-python is imported where it is used, so that it may be absent"
    )
    if "cv2" in path.read_text():
        assert top in OPENCV_ONLY_IN
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call)
             and isinstance(n.func, ast.Name)}  # fmt: skip
    assert "print" not in calls
    assert "eval" not in calls
    assert "exec" not in calls


def test_the_walk_sees_the_modules():
    assert len(MODULES) > 30
    assert len(PIPELINES) > 8
    assert "luigi" in names_of(PIPELINES[0].with_name("base.py"))
    assert "errors" in {name.split(".")[0] for name in imports(PACKAGE / "assemble.py")}
