r"""Render formulas as MathML, which browsers draw without a script or a network.

>>> to_mathml(r"\log p", "inline")[-24:]
'<mi>p</mi></mrow></math>'
"""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

# TeX puts a space between a function such as log and its argument.
FUNCTION = re.compile(
    r"<m([io])>(cos|exp|log|max|min|sign|sin|tanh)</m\1>(?=(<mo [^>]*>&#x00028;)?)"
)
AS_IN_TEX = {
    # ~ is a relation, with space around it
    "<mi>&#x0007E;</mi>": "<mo>&#x0223C;</mo>",
    # the bars of |x| have no space around them
    '<mo stretchy="false">&#x0007C;': '<mo stretchy="false" lspace="0" rspace="0">|',
    # the prime of f' is already raised and small
    r"<msup>(<mi>\w</mi>)<mi>&#x02032;</mi></msup>": (
        r'<mrow>\1<mo lspace="0" rspace="0">&#x02032;</mo></mrow>'
    ),
    # after = , ( and an arrow, a minus is a sign and not an operator
    r"(<mo[^>]*>&#x0(?:003D|002C|0028|2190);</mo>)<mo>(?=&#x02212;)": (
        r'\1<mo form="prefix">'
    ),
}


def to_mathml(tex, display):
    """Return a formula as MathML, or raise an error that names the unknown command."""
    if r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    mathml = FUNCTION.sub(set_off, convert(tex, display=display))
    for found, meant in AS_IN_TEX.items():
        mathml = re.sub(found, meant, mathml)
    if strange := re.search(r"\\\w*|&(?!#?\w+;)", mathml):
        raise ValueError(f"{strange[0]} is not understood")
    return mathml


def set_off(found):
    """Return a function as an operator, spaced as TeX spaces it."""
    after = 0 if found[3] else "0.17em"
    return f'<mo lspace="0.17em" rspace="{after}">{found[2]}</mo>'


def write(self, node):
    """Write a formula into the page, or warn that it cannot be shown."""
    block = isinstance(node, nodes.math_block)
    try:
        self.body.append(to_mathml(node.astext(), "block" if block else "inline"))
    except Exception as error:
        message = "The formula %r cannot be shown: %s"
        logging.getLogger(__name__).warning(
            message, node.astext(), error, location=node
        )
    raise nodes.SkipNode


def setup(app):
    """Register the renderer; `html_math_renderer` in conf.py chooses it."""
    app.add_html_math_renderer("mathml", (write, None), (write, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
