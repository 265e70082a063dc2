"""The contents of the screens as rows of text and looks. There are no widgets here, so it can be tested without a screen."""
