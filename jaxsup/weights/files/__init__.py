"""Files of weights: what they hold, which tensors are meant, which way round they lie."""
