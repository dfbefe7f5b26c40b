"""The feature clients of `Hatchet`: `runs`, `event`, `cron`, `scheduled` and so on.

Each is imported when it is first asked for, so that definitions stay light.
"""
