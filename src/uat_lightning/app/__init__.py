"""What the command line does beside training: generate, caption, edit, report."""
