"""What goes wrong: one function a fault, by what it harms."""
