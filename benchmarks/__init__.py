"""How close the scripts come to what the machine can do: ``python -m benchmarks``."""
