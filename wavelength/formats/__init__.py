"""How moments are written in each language; names for `|date` and `date_format`.

Django's own are here too, so that a page has one way of writing a day and one of writing a time. Every language has
every name: one that is missing would be taken for a format itself, or be another language's way.
"""
