"""What lets runs start by themselves: crons, schedules, events and their filters."""
