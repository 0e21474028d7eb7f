"""When schedules run: pure arithmetic over the settings, a calendar and the time; nothing here waits or sends.

sessions   the exchange's days: the broker's and the shipped calendar    next      the next runs, and the owed ones
cache      the broker's calendar as it was last fetched                  outlook   all of it for a reader
"""
