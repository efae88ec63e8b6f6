"""What a driver works from and a rider shows: manifests, boarding passes, check-ins, positions, incidents."""
