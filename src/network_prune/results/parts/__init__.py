"""What several processes find of one study's variants, and how it becomes records."""
