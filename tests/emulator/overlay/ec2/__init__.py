"""EC2: images and their snapshots, instances and their types, launch templates."""
