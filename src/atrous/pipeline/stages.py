"""The stages of a whole run. Each does nothing if it was done, and goes on if it was stopped.

In the run's folder, beside what a search and a re-ranking keep there:

plan.json                 how the budget is split
trained/NAME/             a training run, with the model in model/
trained/NAME/evaluation/  scores and pictures by split
trained/NAME/export.json, latency.json
"""

from __future__ import annotations
