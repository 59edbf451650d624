"""Grading by value: submissions in, results, feedback and a class report out."""
