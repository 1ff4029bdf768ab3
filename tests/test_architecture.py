"""What holds for the code as a whole: who imports whom, what is documented, how large a file is."""

import ast
import configparser
import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "stylegan_tf"
FILES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(ROOT.glob("*.py"))
LARGEST_FILE = 350
LARGEST_FUNCTION = 60
# Keras' names, documented by Keras.
NEED_NO_DOCSTRING = {"build", "call", "get_config", "from_config", "compute_output_shape"}
# Only these know the configuration; everything else takes plain arguments.
MAY_READ_THE_CONFIGURATION = {"configuration", "training", "runs", "hub", "networks.build", "cli"}


def name_of(file):
    return str(file.relative_to(ROOT))


def module_of(file):
    """Such as "networks.build", below the package."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def run_import_linter(config_file):
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", code, "--config", str(config_file), "--no-cache"],
        cwd=config_file.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_imports_go_down_only():
    found = run_import_linter(ROOT / "setup.cfg")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "1 kept, 0 broken" in found.stdout


def test_an_import_upwards_breaks_the_contract(tmp_path):
    """The contract is one that can be broken."""
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "stylegan_tf", ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    with (tmp_path / "stylegan_tf" / "ops" / "resample.py").open("a") as file:
        file.write("\nfrom stylegan_tf.training import loop\n")
    found = run_import_linter(tmp_path / "setup.cfg")
    assert found.returncode == 1
    assert "0 kept, 1 broken" in found.stdout
    assert "stylegan_tf.ops.resample" in found.stdout


def test_every_part_of_the_package_is_in_the_contract():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(re.findall(r"\w+", settings["importlinter:contract:layers"]["layers"]))
    assert {module_of(file).split(".")[0] for file in FILES} - {"", "__init__", "__main__"} == listed


def test_only_the_upper_layers_know_the_configuration():
    for file in FILES:
        module = module_of(file)
        if not {module, module.split(".")[0]} & MAY_READ_THE_CONFIGURATION:
            source = file.read_text(encoding="utf-8")
            assert "TrainConfig" not in source, name_of(file)


@pytest.mark.parametrize("file", FILES + SCRIPTS, ids=name_of)
@pytest.mark.slow
def test_file(file):
    """A docstring that says what lives there; of a size that one can read; no assert, which -O would leave out."""
    source = file.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert ast.get_docstring(tree), "a module docstring is missing"
    assert source.count("\n") <= LARGEST_FILE, "what is hiding in it?"
    asserts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert not asserts, f"assert in lines {asserts}: raise ValueError with what was received"
    assert undocumented(tree) == []
    assert longer_functions(tree) == []


def longer_functions(tree):
    """Functions that are longer than one can read at once, docstrings not counted."""
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [function.name for function in functions if lines_of(function) > LARGEST_FUNCTION]


def lines_of(function):
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if documented else 0)


def test_what_users_can_mend_is_told_as_such():
    """Below the commands only functions that programs call with arguments of their own raise plain ValueErrors."""
    for file in FILES:
        if module_of(file).split(".")[0] not in {"layers", "ops", "losses", "networks", "metrics", "augment"}:
            source = file.read_text(encoding="utf-8")
            assert not re.search(r"\b(raise|return) ValueError\(", source), name_of(file)


@pytest.mark.slow
def test_a_name_means_one_thing():
    """A function or class that others use is defined once; modules that answer alike are asked by one protocol."""
    alike = {"networks.stylegan1.build", "networks.stylegan2.build", "pretrained.stylegan1_names"}
    places = {}
    for file in FILES:
        module = module_of(file)
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                places.setdefault(node.name, set()).update({module} - alike)
    # Commands have a main and a run; matrices of places and of colours are joined by `then`.
    twice = {name: found for name, found in places.items() if len(found) > 1 and name not in {"main", "run", "then"}}
    assert twice == {}


def test_a_constant_is_written_once():
    """Types, too. Those that each of some modules has, to be asked alike, are named here."""
    alike = {"FLAGS", "COMMANDS", "WORDS", "PREFIX", "FORMAT", "IMAGE_SIZE", "NUM_FEATURES", "NUM_CLASSES", "T"}
    places = {}
    for file in FILES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for name in (target.id for target in targets if isinstance(target, ast.Name)):
                if not name.startswith("_"):
                    places.setdefault(name, []).append(module_of(file))
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in alike} == {}
    assert alike <= {name for name, found in places.items() if len(found) > 1}


def test_docstrings_are_of_one_dialect():
    """Google's, as Keras writes it: four spaces before what a section says. Ruff looks after the sections' names."""
    for file in FILES + SCRIPTS:
        assert badly_indented(file.read_text(encoding="utf-8")) == [], name_of(file)


def badly_indented(source):
    """First lines of the sections of docstrings that are not four spaces further in than the section's name."""
    names = "Args|Attributes|Call arguments|Example|Raises|Returns|Yields"
    sections = re.finditer(rf"^( *)(?:{names}):\n( *)(.*)", source, re.MULTILINE)
    return [match[3] for match in sections if len(match[2]) != len(match[1]) + 4]


def test_badly_indented_finds_what_it_looks_for():
    assert badly_indented("    Args:\n        x: One.\n\n    Returns:\n      Two.\n") == ["Two."]


def undocumented(tree):
    """Public functions, classes and methods without a docstring, functions inside functions left out.

    A method that a class of the same file, or a base class of another file, describes needs none of its own.
    """
    documented_in_file = {
        item.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef) and ast.get_docstring(item)
    }
    missing = []

    def look(body, inside=None):
        for node in body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or node.name.startswith("_"):
                continue
            inherited = inside is not None and (
                node.name in documented_in_file or any(node.name in documented_methods(base) for base in bases(inside))
            )
            if not ast.get_docstring(node) and node.name not in NEED_NO_DOCSTRING and not inherited:
                missing.append(f"{f'{inside.name}.' if inside else ''}{node.name}, line {node.lineno}")
            if isinstance(node, ast.ClassDef):
                look(node.body, node)

    look(tree.body)
    return missing


def bases(node):
    return [base.id for base in node.bases if isinstance(base, ast.Name)]


@functools.cache
def documented_methods(class_name):
    """Names of the methods with a docstring of the class of this name, or of its bases, wherever they are."""
    nodes = classes_of_the_package().get(class_name, [])
    own = {
        item.name
        for node in nodes
        for item in node.body
        if isinstance(item, ast.FunctionDef) and ast.get_docstring(item)
    }
    return own.union(*(documented_methods(base) for node in nodes for base in bases(node)))


@functools.cache
def classes_of_the_package():
    """Definitions of classes by name; several files may have one of the same name."""
    found = {}
    for file in FILES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


@pytest.mark.slow
def test_undocumented_finds_what_it_looks_for():
    found = undocumented(ast.parse('class A:\n  "d"\n  def b(self): pass\n  def build(self): pass\ndef f(): pass\n'))
    assert found == ["A.b, line 3", "f, line 5"]
    described = 'class A(FeatureNetwork):\n  "d"\n  def compute(self): pass\n  def run(self): pass\n'
    assert undocumented(ast.parse(described)) == ["A.run, line 4"]


def tracked_files():
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_repository_names_no_paths_of_the_machine_it_was_written_on():
    """Paths in a Dockerfile are those of its image."""
    folders = "|".join(("work", "opt" + "/venv", "root", "home/[a-z]+", "Users/[A-Za-z]+"))
    machine_path = re.compile(rf"(?<![\w.~$}}/-])/(?:{folders})/")
    for file in tracked_files():
        content = file.read_bytes()
        if b"\0" in content[:8192] or file.name.startswith("Dockerfile"):
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), 1):
            assert not machine_path.search(line), f"{name_of(file)}:{number}: {line.strip()}"


def test_the_longest_test_files_are_there():
    """Those with which the suite begins; see conftest.py."""
    tree = ast.parse((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    (names,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "LONGEST" for target in node.targets)
    ]
    assert names and [name for name in names if not (ROOT / "tests" / name).is_file()] == []
