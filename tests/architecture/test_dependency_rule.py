"""What may know what, over the real import graph and the source itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "services").rglob("*.py"))
MAY_READ_THE_ENVIRONMENT = ("services/runtime/", "services/embedded/", "services/chaos/")
"""chaos starts whole stacks, and hands its own environment on to them."""
BUSINESS_WORDS = re.compile(r"customer|touchpoint|purchase|loyalty|refund|complaint|survey", re.IGNORECASE)


def test_every_import_contract_of_pyproject_is_kept() -> None:
    lint = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run([sys.executable, "-c", lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_runtime_and_embedded_read_the_environment(path: Path) -> None:
    if str(path.relative_to(ROOT)).startswith(MAY_READ_THE_ENVIRONMENT):
        return
    assert not list(_environment_reads(ast.parse(path.read_text(encoding="utf-8"))))


def _environment_reads(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
            yield node.attr
        if isinstance(node, ast.ImportFrom) and node.module == "os" and {alias.name for alias in node.names} & {"environ", "getenv"}:
            yield "from os"


def test_the_check_of_the_environment_sees_a_read() -> None:
    for source in ("import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ"):
        assert list(_environment_reads(ast.parse(source)))


@pytest.mark.parametrize("path", sorted((ROOT / "services" / "runtime").glob("*.py")), ids=lambda path: path.name)
def test_no_business_word_is_in_runtime(path: Path) -> None:
    if path.name == "settings.py":  # the one list of everything that can be configured
        return
    assert not BUSINESS_WORDS.findall(path.read_text(encoding="utf-8"))


def test_nothing_connects_or_reads_the_environment_when_it_is_imported() -> None:
    """Every module of services can be imported without a network, in an empty environment."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES if path.name not in ("__main__.py",)]
    program = (
        "import importlib, socket, sys\n"
        "def refuse(*_): raise AssertionError('a module connects when imported')\n"
        "socket.socket.connect = refuse\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]: importlib.import_module(name.removesuffix('.__init__'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(ROOT), *names], capture_output=True, text=True, check=False, env={})
    assert done.returncode == 0, done.stderr
