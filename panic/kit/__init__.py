"""Small things without any trading in them: errors, words, clock, files, terminal, processes."""
