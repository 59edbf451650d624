"""The warm kernel for Jupyter itself, on the forks of the sandbox."""
