"""The order of the gallery: first the examples that most readers look for."""

FIRST = (
    "plot_initializers.py",
    "plot_search.py",
    "plot_regression.py",
    "plot_lesson_initialization.py",
    "plot_lesson_deep_network.py",
    "plot_lesson_optimizers.py",
    "plot_lesson_layer_dictionaries.py",
    "plot_lesson_petals.py",
)


class ReadingOrder:
    """Sort key for the names of scripts; sphinx-gallery makes one for each folder."""

    def __init__(self, folder):
        pass

    def __call__(self, script):
        """Return the position of a script. Scripts that are not run come last."""
        place = FIRST.index(script) if script in FIRST else len(FIRST)
        return place, not script.startswith("plot_"), script
