"""What a program prints and writes -> rows of metrics."""
