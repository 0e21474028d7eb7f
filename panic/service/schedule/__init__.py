"""When schedules run: pure arithmetic over the settings, a calendar and the time, and what carries it out.

calendar    the exchange's days: the broker's and the shipped calendar
due         the next runs, and the owed ones
almanac     the broker's calendar, fetched and kept
outlook     the next runs for a reader
claims      each run begins once
dispatcher  begins a run, or gives it up
clockwork   looks at the clock each second
"""
