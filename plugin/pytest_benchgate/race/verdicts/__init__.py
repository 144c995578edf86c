"""What a race is decided by, and what is made of it: settings, accepted slowdowns, outcomes."""
