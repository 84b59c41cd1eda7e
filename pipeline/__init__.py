"""Sample -> Window -> encoder -> stream."""
