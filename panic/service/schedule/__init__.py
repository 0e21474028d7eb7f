"""When schedules run: pure arithmetic over the settings, a calendar and the time, and what carries it out.

sessions    the exchange's days: the broker's and the shipped calendar
next        the next runs, and the owed ones
outlook     all of it for a reader
files       what is kept beside the ledger
almanac     the broker's calendar, fetched
claims      each run begins once
dispatcher  begins a run, or gives it up
clockwork   looks at the clock each second
"""
