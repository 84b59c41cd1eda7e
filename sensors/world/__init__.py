"""The simulated robot's world: what holds, how it looks, sounds and feels, and the driver."""
