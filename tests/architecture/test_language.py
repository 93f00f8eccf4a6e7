"""Code and prose use the field's terms: an epoch is an epoch, and never a pass.

Each row of the tables below is a term of our own that once stood here, as a regular
expression, and what the field says instead.
"""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import sklearn_deepnet

ROOT = Path(sklearn_deepnet.__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
FOLDERS = ("sklearn_deepnet", "tests", "examples", "benchmarks", "docs")
MODULES = [
    path
    for folder in FOLDERS
    for path in sorted(ROOT.glob(f"{folder}/**/*.py"))
    if path != Path(__file__)
]

A_PASS = (
    r"\b(an?|any|each|every|per|one|this|the|its|no|last|first|second|fourth|best"
    r"|next|same|other|whole|complete|single|in|by|before|after|more|fewer|of|n|ten|\d+)"
    r" pass(es)?\b"
)
PASSES = (  # neither the verb nor what a forward pass is
    r"(?<!forward )(?<!backward )(?<!two )(?<!it )(?<!test )(?<!that )(?<!which )"
    r"(?<!` )"
    r"\bpasses\b(?! (the|its|on|it|all|them|through (?!the data)|a|to)\b)"
)
# pattern: what to say instead, text with the pattern in it, text without
PROSE = {
    rf"{A_PASS}|{PASSES}|\bpass [t\d]\b": (
        "epoch",
        ["the loss of each pass", "10 passes", "passes over the data", "pass 3"],
        "pass the argument to the forward pass until the test passes the gate",
    ),
    r"\b(told(?! apart)|untellable)\b": (
        "hashed",
        ["told by its code"],
        "cannot tell whether",
    ),
    r"\bsound\b": ("finite", ["whose loss was sound"], "sounds, soundness"),
    r"(?<!\bin )(?<!\bother )\bwords\b|\ba word of (ours|this)": (
        "components",
        ["words and engine", "a word of this library"],
        "in other words, a label in words; JSON has no word for it",
    ),
    r"\bdoors?\b": ("estimators", ["a door imports no sibling"], "indoors"),
    r"\brooms\b|\b(the|each|its) room\b": ("folders", ["the rooms"], "room for more"),
    r"\bfloors\b|\b(same|own|lower|lowest) floor\b": (
        "folders",
        ["on 19 floors", "on the same floor"],
        "the floor of the cosine; floor division",
    ),
    r"\blanes?\b": ("workers", ["one lane for each core"], "planes"),
    r"\bledgers?\b": ("checkpoint", ["a ledger of scores"], "a checkpoint"),
    r"\b(hand|hands|handed) (it )?on\b": (
        "output of the layer",
        ["what a layer hands on"],
        "at hand, on disk",
    ),
    r"\bwhat is right\b": ("true labels or targets", ["What is right."], "it is right"),
    r"\bbits (that )?(it|they|each) would\b": (
        "bit for bit identical to",
        ["the bits it would have got alone"],
        "64 bits",
    ),
    r"\bkept files?\b": ("file, saved before", ["the kept files"], "the file is kept"),
}
# as words, without underscores: "n passes" for n_passes, "kept file" for _KeptFile
NAMES = {
    rf"{A_PASS}|^(pass(es)?)$|\bpass of\b": (
        "epoch",
        ["n_passes = 3", "def step(passes): ...", "def every_pass(): ..."],
        "def test_rule_lets_pass(): pass_through = forward_pass = 3",
    ),
    r"\bwords?\b": (
        "component, name",
        ["word = relu", "class Words: ..."],
        "wording = 1",
    ),
    r"\btold\b(?! apart)|\buntellable\b": ("hashed", ["told = 3"], "tolerance = 3"),
    r"\bsound\b": ("finite", ["is_sound = True"], "sounds = 3"),
    r"\blanes?\b": ("worker", ["class _Lane: ..."], "plane = 3"),
    r"\bledgers?\b": ("checkpoint", ["ledger = 3"], "edge = 3"),
    r"\bgraft(s|ed)?\b": ("set_prefix", ["def graft(): ..."], "draft = 3"),
    r"\bdoors?\b|\brooms?\b|\bfloors\b": ("folder", ["FLOORS = 3"], "floor = 3"),
    r"\bkept file\b|\bkept network\b": ("saved", ["class KeptFile: ..."], "kept = 3"),
    r"\bstepper\b": ("ParameterUpdater", ["class Stepper: ..."], "step = 3"),
}
CLASSES = {
    "Sample": "Dataset",
    "Job": "TrainingJob",
    "Outcome": "TrainingResult",
    "Block": "MicroBatch",
    "Validation": "ValidationSet",
    "Task": "TrainingSpec",
    "State": "TrainingState",
    "Run": "TrainingLoop",
    "Monitor": "EarlyStopping",
    "Progress": "FitCheckpoint",
    "Table": "FitArguments",
    "Ended": "FitResult",
    "Kept": "WarmNetwork",
    "Fit": "CVTask",
    "Printer": "ProgressPrinter",
    "Versioned": "PickleVersionMixin",
    "Symptom": "Rule",
    "Sgd": "SGD",
}
# functions, attributes and fields
MEMBERS = {
    "carry_out": "run",
    "go_on": "complete",
    "judge": "end_epoch",
    "_settle": "allocate",
    "_look": "current_loss",
    "_note": "record",
    "_dismiss": "finish",
    "_keep": "compact",
    "take": "select",
    "taken": "rows_used",
    "memory": "state",
    "n_made": "n_epochs_done",
    "shows_best": "restore_best",
    "tell": "fingerprint",
    "digest": "hash_arrays",
    "capture": "record_fit_call",
    "copied": "try_deepcopy",
    "prefix_of": "prefix_key",
    "key_of": "hash_key",
    "kind": "stack_key",
    "target_center_": "target_mean_",
    "target_spread_": "target_scale_",
    "report": "on_epoch_end",
    "_describe": "a verb for what it does",
}


def relative(path):
    return path.relative_to(ROOT).as_posix()


def definitions(source):
    """Yield what a module defines: "class", "member" or "variable", and the name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ClassDef():
                yield "class", node.name
                for field in node.body:
                    if isinstance(field, ast.AnnAssign):
                        yield "member", field.target.id
            case ast.FunctionDef():
                yield "member", node.name
            case ast.Attribute(ctx=ast.Store()):
                yield "member", node.attr
            case ast.arg():
                yield "variable", node.arg
            case ast.Name(ctx=ast.Store()):
                yield "variable", node.id


def as_words(name):
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", name)
    return spaced.strip().lower()


def foreign_names(source):
    """Return names that a module defines, and what the field says instead."""
    found = {}
    for kind, name in definitions(source):
        if kind == "class" and name.lstrip("_") in CLASSES:
            found[name] = CLASSES[name.lstrip("_")]
        if kind == "member" and name in MEMBERS:
            found[name] = MEMBERS[name]
        for pattern, (instead, *_) in NAMES.items():
            if re.search(pattern, as_words(name)):
                found[name] = instead
    return found


def prose_of(source, messages=True):
    """Return docstrings, comments and, if asked for, all other strings of a module."""
    tree, texts = ast.parse(source), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts += [node.value] * messages
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            texts += [ast.get_docstring(node) or ""] * (not messages)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT]
    return "\n| ".join([*texts, " ".join(comments)])


def foreign_phrases(text):
    """Return phrases in a text, and what the field says instead."""
    text = " ".join(text.split())
    return {
        text[max(match.start() - 25, 0) : match.end() + 25]: instead
        for pattern, (instead, *_) in PROSE.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    }


def is_test(path):
    return path.is_relative_to(ROOT / "tests")


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_names_are_those_of_the_field(path):
    assert foreign_names(path.read_text("utf-8")) == {}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_docstrings_comments_and_messages_use_the_terms_of_the_field(path):
    prose = prose_of(path.read_text("utf-8"), messages=not is_test(path))
    assert foreign_phrases(prose) == {}


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_pages_use_the_terms_of_the_field(path):
    assert foreign_phrases(path.read_text("utf-8")) == {}


@pytest.mark.parametrize("pattern", PROSE)
def test_a_phrase_is_found_and_english_is_not(pattern):
    _, ours, english = PROSE[pattern]
    assert all(map(foreign_phrases, ours))
    assert foreign_phrases(english) == {}


@pytest.mark.parametrize("pattern", NAMES)
def test_a_name_is_found_and_another_is_not(pattern):
    _, ours, english = NAMES[pattern]
    assert all(map(foreign_names, ours))
    assert not foreign_names(english)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_found_and_the_use_of_another_is_not(name):
    assert name in foreign_names(f"class {name}: ...")
    assert f"_{name}" in foreign_names(f"class _{name}: ...")
    assert not foreign_names(f"sample = another.{name}()")


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_is_found_and_the_use_of_another_is_not(name):
    assert name in foreign_names(f"def {name}(): ...")
    assert name in foreign_names(f"self.{name} = 3")
    assert name in foreign_names(f"class Settings:\n    {name}: int")
    assert not foreign_names(f"rows = another.{name}(X)")


def test_prose_is_docstrings_comments_and_messages():
    source = (
        '''def f():\n    """Docstring."""  # comment\n    raise Error(f"message {x}")'''
    )
    found = prose_of(source)
    assert all(text in found for text in ("Docstring.", "comment", "message "))
    assert "message" not in prose_of(source, messages=False)
