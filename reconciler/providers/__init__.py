"""The outside systems, one file each: they translate, and decide nothing."""
