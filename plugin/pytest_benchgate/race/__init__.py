"""The race: two builds of a project timed against each other, pair by pair, until each benchmark has a verdict.

From the top down; a module imports only what stands further down:

- hooks: what pytest calls. course: the course of a race, as a stream of events. startup: before pytest imports anything
  of the project.
- verdicts: by whose settings a race goes, and its outcomes.
- sides: where base and head come from, and what base's own tree says.
- progress: what is shown meanwhile. events: what a race reports while it runs.
- building: source trees, wheels, environments and their cache.
- launching: workers started, asked and ended; pairs of blocks timed in random order.
- statistics: from numbers to decisions. reaper: what must end with the session.
- worker: what runs in a worker's process, and the messages that it exchanges with the session.
"""
