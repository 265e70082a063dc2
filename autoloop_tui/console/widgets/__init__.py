"""Panes that display what they are given: log tail, live chart, large chart. None of them accesses the store."""
