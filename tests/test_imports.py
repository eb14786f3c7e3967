"""The import graph has no circle, imports inside functions included."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("orderbook", "exchanges", "actors", "trochil")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imported(node: ast.AST) -> set[str]:
    """Modules of ours that a piece of code imports when it runs."""
    found: set[str] = set()
    if is_type_checking(node):
        return found
    if isinstance(node, ast.Import):
        found.update(alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module is not None:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        found.update(name for name in names if name in MODULES)
        if any(name not in MODULES for name in names):
            found.add(node.module)
    for child in ast.iter_child_nodes(node):
        found |= imported(child)
    return {name for name in found if name in MODULES}


GRAPH = {
    # The actor class travels by value, and imports its own module where it arrives.
    module: imported(ast.parse(path.read_text())) - {module}
    for module, path in MODULES.items()
}


def reachable(start: str) -> set[str]:
    seen: set[str] = set()
    waiting = set(GRAPH[start])
    while waiting:
        module = waiting.pop()
        seen.add(module)
        waiting |= GRAPH[module] - seen
    return seen


def test_no_module_imports_itself_by_way_of_others() -> None:
    circles = sorted(module for module in GRAPH if module in reachable(module))
    assert not circles, f"these import one another in a circle: {', '.join(circles)}"


def test_the_graph_was_read() -> None:
    assert "orderbook.messages" in GRAPH["orderbook.book"]
    assert len(GRAPH) > 100


def room_of(module: str) -> str:
    """A folder of ``actors/``; empty for what all rooms stand on."""
    parts = module.split(".")
    is_folder = MODULES[module].name == "__init__.py"
    return parts[1] if len(parts) > 2 or (len(parts) == 2 and is_folder) else ""


def imports_within_actors() -> list[tuple[str, str]]:
    return [
        (module, other)
        for module, others in GRAPH.items()
        for other in others
        if module.startswith("actors.") and other.startswith("actors.")
    ]


def test_what_all_rooms_of_the_actors_stand_on_imports_none_of_them() -> None:
    found = [
        (module, other)
        for module, other in imports_within_actors()
        if not room_of(module) and room_of(other)
    ]
    assert not found


def test_no_room_of_the_actors_imports_the_room_that_imports_ray() -> None:
    found = [
        (module, other)
        for module, other in imports_within_actors()
        if other.startswith("actors.runtime.ray") and not module.startswith("actors.runtime.ray")
    ]
    assert not found
