"""What the numbers say: statistics on arrays, verdicts on frames, power, the levels of interim looks."""
