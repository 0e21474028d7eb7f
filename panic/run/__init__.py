"""The use-cases: a press becomes a run, the run one report."""
