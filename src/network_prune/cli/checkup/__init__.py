"""What network-prune finds around it: packages, folders of downloads, devices and their speed."""
