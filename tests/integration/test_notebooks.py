"""The notebooks that the gallery offers for download run, and show their pictures."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
from sphinx_gallery.notebook import jupyter_notebook
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
WITHOUT_PICTURE = {"distributed_search.py"}  # it prints that the scores are the same


def notebook_of(script):
    """The notebook of a script, as sphinx-gallery converts it."""
    _, blocks = split_code_and_text_blocks(str(script))
    contents = jupyter_notebook(blocks, DEFAULT_GALLERY_CONF, str(script.parent))
    return nbformat.reads(json.dumps(contents), as_version=4)


def run(notebook, folder):
    """Run a notebook in a kernel of its own, and return the outputs of its cells."""
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources=resources
    )
    client.execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs]


def n_pictures(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.longest
@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.filterwarnings("ignore")  # of the client; those of the script are printed
def test_notebook_runs_and_shows_its_picture(name, tmp_path):
    outputs = run(notebook_of(EXAMPLES / name), tmp_path)
    assert (n_pictures(outputs) == 0) == (name in WITHOUT_PICTURE)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_that_chooses_its_backend_shows_nothing(tmp_path):
    script = tmp_path / "script.py"
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"
    shown = []
    for choice in ("", 'import matplotlib\nmatplotlib.use("Agg")\n'):
        script.write_text(f'"""\nTitle\n=====\n"""\n{choice}{draw}')
        shown.append(n_pictures(run(notebook_of(script), tmp_path)))
    assert shown == [1, 0]
