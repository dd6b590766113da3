"""Exercises for the chapter, "predict, then run": solutions for each numbered script."""
