"""How moments are written in each language, beyond what Django knows; names for `|date` and `date_format`.

Every language has every name: one that is missing would be taken for a format itself.
"""
