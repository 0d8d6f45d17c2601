"""Arrays in, arrays out: models, schedules, token sources, and the kernels that step them."""
