"""What runs the lessons. A reader never needs to open it: `Section` is all that a script uses."""

__all__ = ["Section"]


def __getattr__(name):
    # Not imported at the top: it needs Keras, and who only shares out lessons does without.
    if name == "Section":
        from ch07.lab.section import Section

        return Section
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
