"""The work behind `uat evaluate` and `uat compare`: anyone's captions and sounds to scores with their protocol."""
