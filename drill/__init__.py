"""What happens when something breaks: each drill breaks one thing under load and counts what was lost or doubled."""
