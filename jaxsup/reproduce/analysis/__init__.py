"""Analyses that figures need."""
