"""What Wavelength costs, measured against a reference beside it."""
