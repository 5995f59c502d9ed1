"""What is written for readers: words, figures, pages."""
