"""The pages in Debian's Chromium, against the real server.

`axe.min.js` is axe-core 4.14.1 as npm has it, under the Mozilla Public License 2.0 (its header says so).
"""
