"""A report as one page of HTML: texts tinted by probability, with a table for every token."""
