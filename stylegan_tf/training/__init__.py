"""The training loop: schedule, state, steps and actions."""
