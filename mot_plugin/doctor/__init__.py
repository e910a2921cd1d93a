"""What keeps a recipe from running in a place, found before anything starts. It looks, and changes nothing."""
