"""The command line: the only place that joins engine, providers and sandbox."""
