#!/usr/bin/env bash
# The three recordings must replay to the maps that were recorded before exit.
for recording in packages/fault-sim/test/data/programs/*.strace.gz; do
  node packages/fault-sim/bin/fault-sim.js replay "$recording" --threads 1,4 || exit 1
done
