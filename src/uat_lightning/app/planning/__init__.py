"""What a training will take: weights, arithmetic, memory and hours, from its config alone."""
