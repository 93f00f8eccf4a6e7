"""The order of the gallery: what most readers look for comes first."""

FIRST = (
    "plot_initializers.py",
    "plot_search.py",
    "plot_regression.py",
    "plot_lesson_initialization.py",
    "plot_lesson_deep_network.py",
    "plot_lesson_layer_dictionaries.py",
    "plot_lesson_petals.py",
)


class ReadingOrder:
    """A key to sort names of scripts by; sphinx-gallery makes it for a folder."""

    def __init__(self, folder):
        pass

    def __call__(self, script):
        """Return the place of a script; those that the build does not run are last."""
        place = FIRST.index(script) if script in FIRST else len(FIRST)
        return place, not script.startswith("plot_"), script
