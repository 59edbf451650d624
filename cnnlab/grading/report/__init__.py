"""Afterwards: the journal, marks, tables, and pages."""
