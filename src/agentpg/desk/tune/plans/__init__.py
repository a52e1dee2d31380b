"""Plans of statements: read without harm, judged node by node, findings P01 to P18."""
