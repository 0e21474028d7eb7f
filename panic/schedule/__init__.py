"""When schedules run: pure arithmetic over the settings, a calendar and the time; nothing here waits or sends.

at         what `at` says               sessions   the exchange's days, from the broker and from what is shipped
next       the next runs, and which     cache      the broker's calendar as it was last fetched
           are owed after a restart
"""
