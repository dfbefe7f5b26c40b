"""Decisions about CronWorkflows: their CronJob, their ticks and the runs of these."""
