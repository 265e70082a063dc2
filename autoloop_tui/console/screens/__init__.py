"""The screens of the console, one per module, with their style sheets beside them."""
