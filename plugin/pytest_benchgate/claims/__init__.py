"""Claims: what tests state about their own speed, checked by races between the tests of one build.

- hooks: what pytest calls with --claims. course: the launches, and what comes of them.
- outcome: from a race that is over to its result.
- stated: what a test claims. limit: times beside samples of a limit of the machine.
- rule: from numbers to verdicts.
"""
