"""What people see on standard output: one line that sums it up, then the details, worst first."""
