"""The screens of the console, one a module, its style beside it."""
