"""Speed of lmdata beside what a user would write instead, and beside the limits of the machine."""
