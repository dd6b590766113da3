"""What the numbers of a lesson depend on, as a key that changes with it.

A key covers the source of the lesson's cell, of what it uses of its script and of ch07, down to the
last, and the settings of every run. Comments, docstrings and what a cell only shows are left out,
and so are pictures, diagrams and the machinery of running.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ch07.lab import lessons
from ch07.lab.startup import ROOT

PACKAGES = ("tensorflow", "keras", "numpy", "optuna")
LEFT_OUT = ("ch07.plots", "ch07.draw", "ch07.lab")
REAL = ("digits", "ratings", "real")  # the modules of real data
SETTINGS = ("ch07.lab.startup", "settle")  # threads, determinism, float32
SHOWN = {f"section.{name}" for name in ("picture", "diagram", "say", "remember")}
OURS = re.compile(r"(ch07|exercises)(\.\w+)*|ch07\d\d_\w+")
PARSING = threading.Lock()  # in Python 3.11 two threads that parse at once may end in a SystemError


@dataclass
class Module:
    """A source file: its lines, its tree, and what each name at its top level is."""

    lines: list[str]
    tree: ast.Module
    own: dict[str, list[ast.stmt]]  # the statements that define a name
    imported: dict[str, tuple[str, str]]  # the module of a name, and its name there ("": itself)


def path_of(module: str) -> Path | None:
    """The file of a module of the project; None if it is none."""
    if not OURS.fullmatch(module):
        return None
    path = ROOT.joinpath(*module.split("."))
    found = (path.with_suffix(".py"), path / "__init__.py")
    return next((one for one in found if one.exists()), None)


def is_shown(node: ast.AST) -> bool:
    """Whether a node is a statement of a cell that only shows something."""
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) in SHOWN


def chains(node: ast.AST) -> Iterator[list[str]]:
    """The names that a piece of source uses: `data.posts` is ["data", "posts"]."""
    chain, inner = [], node
    while isinstance(inner, ast.Attribute):
        chain.insert(0, inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield [inner.id, *chain]
    elif not is_shown(node):
        for child in ast.iter_child_nodes(node):
            yield from chains(child)


def text_of(module: Module, node: ast.stmt) -> str:
    """The source of a statement without comments, docstrings and what it only shows."""
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
    kept = set(range(first, node.end_lineno + 1))
    for inner in ast.walk(node):
        docstring = isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)
        if docstring or is_shown(inner):
            kept -= set(range(inner.lineno, inner.end_lineno + 1))
    lines = [module.lines[number - 1].rstrip() for number in sorted(kept)]
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


class Sources:
    """The sources as they are when they are first asked for."""

    @functools.cache  # noqa: B019 -- lives no longer than one question
    def module(self, name: str) -> Module:
        """A module of the project, by its name."""
        text = path_of(name).read_text(encoding="utf-8")
        with PARSING:
            module = Module(text.splitlines(), ast.parse(text), {}, {})
        for node in module.tree.body:
            if isinstance(node, ast.Import):
                imported = {one.asname or one.name: (one.name, "") for one in node.names}
                module.imported.update(imported)
            elif isinstance(node, ast.ImportFrom):
                names = {one.asname or one.name: (node.module, one.name) for one in node.names}
                module.imported.update(names)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                module.own.setdefault(node.name, []).append(node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                for target in ast.walk(node):
                    if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                        module.own.setdefault(target.id, []).append(node)
        return module

    def find(self, name: str, chain: list[str]) -> tuple[str, str] | None:
        """The module and the name there that `chain` means in the module `name`; None: not ours."""
        if name.startswith(LEFT_OUT):
            return None
        module, (root, *rest) = self.module(name), chain
        if root in module.own:
            return name, root
        if root not in module.imported:
            return None
        source, called = module.imported[root]
        inner = f"{source}.{called}" if called else source
        while path_of(inner) and rest:  # a module, of which something is asked
            if not path_of(f"{inner}.{rest[0]}"):
                return self.find(inner, rest)
            inner, rest = f"{inner}.{rest[0]}", rest[1:]
        return self.find(source, [called, *rest]) if called and path_of(source) else None

    def texts(self, name: str, start: ast.stmt) -> set[str]:
        """The source of `start`, in the module `name`, and of all that it depends on."""
        todo, known, found = [(name, start)], set(), set()
        while todo:
            name, node = todo.pop()
            found.add(text_of(self.module(name), node))
            for chain in chains(node):
                # `section` is the lab's; but its options are declared by the script.
                if chain[0] == "section" and chain[1:2] != ["options"]:
                    continue
                target = self.find(name, chain)
                if target and target not in known:
                    known.add(target)
                    todo += [(target[0], one) for one in self.module(target[0]).own[target[1]]]
        return found


def keys(script: str, data: str = "synthetic") -> dict[str, str]:
    """The key of each lesson of a script by name: of its code, a dash, of the packages.

    On real data, of the lessons that have such, and of the code of all of these data too.
    """
    sources = Sources()
    real = [path_of(f"ch07.data.{name}") for name in REAL] if data == "real" else ()
    name = f"exercises.{script}" if script.endswith("_exercises") else script
    settings = sources.module(SETTINGS[0])
    common = {text_of(settings, node) for node in settings.own[SETTINGS[1]]}
    common |= {path.read_text(encoding="utf-8") for path in real}
    packages = digest([f"{name} {metadata.version(name)}" for name in PACKAGES], 6)
    found = {}
    for node in sources.module(name).tree.body:
        if call := lessons.lesson_of(node):
            texts = sources.texts(name, node) | common
            found[ast.literal_eval(call.args[1])] = f"{digest(texts, 10)}-{packages}"
    if data == "synthetic":
        return found
    return {one.name: found[one.name] for one in lessons.on(lessons.read(script), data).lessons}


def digest(texts, length: int) -> str:
    """`length` letters that change with any of `texts`, in whatever order they come."""
    return hashlib.sha256("\0".join(sorted(texts)).encode()).hexdigest()[:length]
