"""pytest-benchmark cases of single kernels of the plane: `pytest bench/kernels`."""
