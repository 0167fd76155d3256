"""The knowledge base: files of `articles/` read, checked, loaded, shown and searched."""
