#!/usr/bin/env bash
pnpm --silent conformance:maple packages/maple-tree/test/data/random/*.jsonl.gz &&
  pnpm --silent conformance:mm packages/mm/test/data/window/*.jsonl.gz
