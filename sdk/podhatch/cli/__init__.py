"""The command `podhatch`: shows runs. Everything it does works through plain kubectl too."""
