"""The outside systems, a file or a package for each: they translate, and decide nothing."""
