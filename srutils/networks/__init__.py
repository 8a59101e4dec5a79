"""Every network of the course, saved from the lesson that builds it: one file an architecture."""
