"""Taxonomies: growing a tree of predicates, keeping it on disk."""
