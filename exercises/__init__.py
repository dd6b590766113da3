"""Exercises to the chapter, "predict, then run": a module of solutions for each numbered script."""
