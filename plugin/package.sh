#!/usr/bin/env bash
# package.sh OUT KEY KEYRING: both Helm plugins as archives with signatures, as Helm 4 wants them for `helm plugin install`.
# KEY names the signing key, KEYRING is the file that holds it; HELM is Helm 4, PINNACE is bin/pinnace beside the getter.
# A key with a passphrase: PASSPHRASE_FILE names the file that holds it.
set -euo pipefail
out=${1:?folder for the archives} key=${2:?name of the signing key} keyring=${3:?file with the key}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

"${PINNACE:-bin/pinnace}" plugin "$work" >/dev/null
for name in pinnace pinnace-getter; do
  "${HELM:-helm}" plugin package "$work/$name" --destination "$out" --sign --key "$key" --keyring "$keyring" \
    ${PASSPHRASE_FILE:+--passphrase-file "$PASSPHRASE_FILE"}
done
