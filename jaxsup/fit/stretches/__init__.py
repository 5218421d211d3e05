"""A curve that has more than one law: local exponents, and regimes by change points."""
