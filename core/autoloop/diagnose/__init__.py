"""Why an attempt did not succeed: its exit record and log against a table of causes."""
