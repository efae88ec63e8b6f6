"""What a person or a program touches, a folder each: they call flows and read, write no SQL and decide nothing."""
