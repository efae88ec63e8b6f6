"""The stories that cross slices, one file each, each one transaction."""
