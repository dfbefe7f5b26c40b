"""The methods of workflows and standalone tasks: run them now, many times, later, locally."""
