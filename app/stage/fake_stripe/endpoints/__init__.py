"""What the API can be asked, one file per family of resources."""
