#!/usr/bin/env bash
exec pnpm --silent --filter @faultline/tests tarballs
