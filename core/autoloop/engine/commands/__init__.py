"""Carries out clients' requests in a running engine."""
