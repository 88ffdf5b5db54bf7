#!/usr/bin/env bash
# The built packages in a real Chromium. Where there is none and we may, Debian's is installed.
names=(chromium chromium-browser google-chrome google-chrome-stable)
if [ -z "${FAULTLINE_CHROMIUM:-}" ] && ! command -v "${names[@]}" >/dev/null && [ "$(id -u)" -eq 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi
exec pnpm --silent browser
