"""What the screens show, as rows of text and looks: no widgets here, so it is tested without a screen."""
