"""Panes that paint what they are given: log tail, live chart, large chart. None of them knows the store."""
