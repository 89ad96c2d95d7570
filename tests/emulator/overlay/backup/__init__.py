"""AWS Backup: what it knows of images that are its recovery points."""
