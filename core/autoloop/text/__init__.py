"""Wording shared by messages, reports and screens. Pure functions from data to text."""
