"""`cnnlab ...`: parse, call, print, exit code. 0 fine, 1 something failed, 2 usage.

What a command needs it imports itself: `cnnlab --help` does not wait for Keras.
"""

from cnnlab.cli import grading, labs, marking
from cnnlab.cli.common import main

__all__ = ["grading", "labs", "main", "marking"]
