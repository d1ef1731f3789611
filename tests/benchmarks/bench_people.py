"""Matching at scale."""
