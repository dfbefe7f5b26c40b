"""The command `podhatch`. Everything it does works through plain kubectl too."""
