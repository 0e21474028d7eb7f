"""What people see on standard output: one line that says it all, then the rest, worst first."""
