"""Results that exist already: read, arranged by variant and seed, and judged. Their verdicts are retrospective."""
