#!/bin/sh
# Signs for the gateway with a key on a PKCS#11 token, by OpenSC's pkcs11-tool: a line in (the message in base64), a line out (the signature in
# base64, or an error). The gateway keeps it running and checks every signature. docs/operating.md says how keys.json names it.
# MECHANISM is ECDSA (P-256, for tokens) or EDDSA (Ed25519, for the log and the witness). The PIN is read from a file and passed on in the
# environment: arguments are seen by every user of the machine. Nothing is written to disk: an event that is signed names a person.
set -u
[ $# -eq 5 ] || { echo "sign-with-pkcs11.sh MECHANISM KEY-ID TOKEN-LABEL MODULE PIN-FILE" >&2; exit 2; }
mechanism=$1 id=$2 token=$3 module=$4
PIN=$(cat "$5") || exit 1
export PIN

# By ECDSA a token signs a digest, by EdDSA the message itself.
signed() { if [ "$mechanism" = EDDSA ]; then cat; else openssl dgst -sha256 -binary; fi; }

while IFS= read -r message; do
  signature=$(printf %s "$message" | base64 -d | signed |
    pkcs11-tool --module "$module" --token-label "$token" --login --pin env:PIN --sign --mechanism "$mechanism" --id "$id" 2>/dev/null |
    base64 -w 0)
  echo "${signature:-error}"
done
