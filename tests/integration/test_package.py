"""What is published agrees: metadata, wheel, sdist, conda recipe, CI and policy."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
import yaml

from hatch_build import make_links_absolute
from sklearn_deepnet import __version__
from sklearn_deepnet._utils.sklearn_compat import DOCUMENTATION
from tests.architecture.test_layers import SOURCES
from tests.releases.check_dist import check_sdist, check_wheel, examples_of

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
RECIPE = yaml.safe_load((ROOT / "conda.recipe/recipe.yaml").read_text("utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
TARGETS = {
    target
    for line in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in line.split()
}
OLDEST_PYTHON = PROJECT["requires-python"].removeprefix(">=")
PYTHONS = [
    classifier.rpartition(" ")[2]
    for classifier in PROJECT["classifiers"]
    if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", classifier)
]


# ---- hosted CI


def commands_of(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_hosted_ci_runs_targets_of_make_alone():
    commands = [it for job in WORKFLOW["jobs"].values() for it in commands_of(job)]
    called = [re.fullmatch(r"make ([a-z-]+) PYTHON=python", it) for it in commands]
    assert all(called)
    assert {it[1] for it in called} <= TARGETS
    assert {*("test", "test-clients", "test-oldest", "test-next", "docs", "dist")} == {
        it[1] for it in called
    }


def test_hosted_ci_tests_every_supported_python():
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == PYTHONS
    oldest = WORKFLOW["jobs"]["oldest"]["steps"][1]["with"]["python-version"]
    assert oldest == PYTHONS[0] == OLDEST_PYTHON


def test_the_supported_pythons_have_no_gaps():
    minors = [int(version.removeprefix("3.")) for version in PYTHONS]
    assert minors == [*range(minors[0], minors[0] + len(minors))]


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_targets_of_make_that_exist(page):
    named = re.findall(r"`make ([a-z-]+)", page.read_text("utf-8"))
    assert {*named} <= TARGETS


# ---- conda, citation, policy


def test_the_conda_recipe_has_the_dependencies_of_the_package():
    run = {it.replace(" ", "") for it in RECIPE["requirements"]["run"]}
    assert run == {"python>=${{python_min}}", *PROJECT["dependencies"]}
    host = {it.replace(" ", "") for it in RECIPE["requirements"]["host"]}
    assert host == {
        "python${{python_min}}.*",
        "pip",
        *PYPROJECT["build-system"]["requires"],
    }


def test_the_conda_recipe_describes_the_package():
    context = RECIPE["context"]
    assert context == {"version": __version__, "python_min": OLDEST_PYTHON}
    assert RECIPE["package"]["name"] == PROJECT["name"]
    assert RECIPE["about"]["summary"] == PROJECT["description"]
    assert RECIPE["about"]["license"] == PROJECT["license"]


def test_the_citation_describes_the_package():
    assert CITATION["title"] == "sklearn_deepnet"
    assert CITATION["abstract"] == PROJECT["description"]
    assert CITATION["keywords"] == PROJECT["keywords"]
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["authors"] == PROJECT["authors"]
    assert CITATION.get("version", __version__) == __version__


def test_the_policy_names_the_oldest_supported_versions():
    page = (ROOT / "docs/versions.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\w, -]+) \| ([\d., ]+) \|", page, re.MULTILINE)
    oldest = {
        name.lower(): version
        for names, versions in rows
        for name, version in zip(names.split(", "), versions.split(", "), strict=True)
    }
    bounds = dict(it.split(">=") for it in PROJECT["dependencies"])
    assert oldest == {"python": OLDEST_PYTHON, **bounds}


# ---- names that do not exist yet


def test_links_of_estimators_lead_to_the_documentation_of_the_package():
    assert PROJECT["urls"].get("Documentation", "") == DOCUMENTATION


@pytest.mark.parametrize("path", SOURCES)
def test_no_text_of_the_library_depends_on_the_name_on_an_index(path):
    texts = [
        node.value
        for node in ast.walk(ast.parse(SOURCES[path]))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    names = rf"{PROJECT['name']}|sklearn_deepnet\[|pip install '?\.\["
    assert [text for text in texts if re.search(names, text)] == []


# ---- README on a package index

README = """\
# Title with [a page](docs/guide.md#first), [an address](https://example.org/x)

![A picture](docs/picture.svg) and [`code`](sklearn_deepnet/), [below](#below)
<picture><source srcset="docs/dark.svg"><img src="docs/light.svg"></picture>
<a href="LICENSE">license</a>

```python
table[0](docs)
```
"""


def test_links_of_readme_lead_into_the_repository():
    host = "https://host.example/project"
    assert make_links_absolute(README, host) == (
        f"""\
# Title with [a page]({host}/blob/HEAD/docs/guide.md#first), """
        f"""[an address](https://example.org/x)

![A picture]({host}/raw/HEAD/docs/picture.svg) and """
        f"""[`code`]({host}/blob/HEAD/sklearn_deepnet/), [below](#below)
<picture><source srcset="{host}/raw/HEAD/docs/dark.svg">"""
        f"""<img src="{host}/raw/HEAD/docs/light.svg"></picture>
<a href="{host}/blob/HEAD/LICENSE">license</a>

```python
table[0](docs)
```
"""
    )


def test_links_of_readme_are_text_where_there_is_no_repository():
    assert make_links_absolute(README, "") == (
        """\
# Title with a page, [an address](https://example.org/x)

 and `code`, [below](#below)

license

```python
table[0](docs)
```
"""
    )


PICTURES = """\
![A picture](docs/picture.svg)

*Its caption, with [a page](docs/page.md),
in two lines.*

<img src="docs/light.svg">

**A paragraph.** *Another one.*

![From elsewhere](https://example.org/x.svg)

*Its caption.*
"""
LISTS = """\
## Reasons

- One, [with a page](docs/page.md).
- Another,
  without.

## Where to read on

- [A page](docs/page.md), and
  more.
- Or [`another`](docs/other.md).

The end.
"""


def test_a_caption_is_left_out_with_its_picture():
    assert make_links_absolute(PICTURES, "") == (
        """\


**A paragraph.** *Another one.*

![From elsewhere](https://example.org/x.svg)

*Its caption.*
"""
    )


def test_a_list_of_links_is_left_out_with_its_heading():
    assert make_links_absolute(LISTS, "") == (
        """\
## Reasons

- One, with a page.
- Another,
  without.

The end.
"""
    )


@pytest.mark.parametrize("text", [PICTURES, LISTS])
def test_nothing_is_left_out_where_there_is_a_repository(text):
    made = make_links_absolute(text, "https://host.example/project")
    assert made.count("\n") == text.count("\n")


# ---- the wheel and the sdist


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build both as `make dist` does, but without an environment of their own."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def names_in(wheel):
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


def metadata_of(wheel):
    (name,) = [name for name in names_in(wheel) if name.endswith("/METADATA")]
    with zipfile.ZipFile(wheel) as file:
        return message_from_string(file.read(name).decode())


@pytest.mark.slow
def test_the_wheel_holds_the_package_alone(built):
    found = {name for name in names_in(built[0]) if ".dist-info/" not in name}
    package = {f"sklearn_deepnet/{path}" for path in SOURCES}
    assert found == package | {"sklearn_deepnet/py.typed"}


@pytest.mark.slow
def test_the_sdist_holds_tests_docs_and_examples(built):
    with tarfile.open(built[1]) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    for folder, pattern in [
        ("sklearn_deepnet", "**/*.py"),
        ("tests", "**/*.py"),
        ("docs", "*.md"),
        ("examples", "*.py"),
    ]:
        files = {
            it.relative_to(ROOT).as_posix() for it in ROOT.glob(f"{folder}/{pattern}")
        }
        assert files
        assert files <= names
    assert {"LICENSE", "README.md", "CITATION.cff", "SECURITY.md"} <= names
    assert not [name for name in names if "__pycache__" in name or ".venv" in name]


@pytest.mark.slow
def test_the_metadata_are_complete(built):
    metadata = metadata_of(built[0])
    assert metadata["Name"] == PROJECT["name"]
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    readme = (ROOT / "README.md").read_text("utf-8")
    repository = PROJECT["urls"].get("Repository", "")
    assert (
        metadata.get_payload().strip()
        == make_links_absolute(readme, repository).strip()
    )


# ---- what `make dist` checks


def wheel_of(path, *names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "")
    return path


def sdist_of(path, folder, *names):
    with tarfile.open(path, "w:gz") as file:
        for name in names:
            (folder / "empty").touch()
            file.add(folder / "empty", f"sklearn_deepnet-0/{name}")
    return path


PACKAGE = ["sklearn_deepnet/__init__.py", "sklearn_deepnet/py.typed"]


def test_a_wheel_with_other_files_is_found(tmp_path):
    tracked = {*PACKAGE, "tests/__init__.py"}
    wheel = wheel_of(tmp_path / "right.whl", *PACKAGE, "x.dist-info/METADATA")
    check_wheel(wheel, tracked)
    wheel = wheel_of(tmp_path / "wrong.whl", *PACKAGE, "tests/__init__.py")
    with pytest.raises(AssertionError, match="tests/__init__"):
        check_wheel(wheel, tracked)
    wheel = wheel_of(tmp_path / "less.whl", PACKAGE[0])
    with pytest.raises(AssertionError, match=r"py\.typed"):
        check_wheel(wheel, tracked)


def test_an_sdist_with_other_files_is_found(tmp_path):
    tracked = {*PACKAGE, "Makefile"}
    sdist = sdist_of(tmp_path / "right.tar.gz", tmp_path, *tracked, "PKG-INFO")
    check_sdist(sdist, tracked)
    sdist = sdist_of(tmp_path / "wrong.tar.gz", tmp_path, *tracked, "PKG-INFO", "x.log")
    with pytest.raises(AssertionError, match=r"x\.log"):
        check_sdist(sdist, tracked)


def test_the_first_examples_of_readme_are_one_script():
    code = ">>> x = 1\n>>> x + 1\n2", "y = 3", "print(x)"
    blocks = [f"```python\n{it}\n```\n" for it in code]
    script = examples_of("text\n".join(blocks))
    compile(script, "readme", "exec")
    assert "x = 1" in script
    assert script.endswith("print(x)\n")
