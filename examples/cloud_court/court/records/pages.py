"""The page in a package that tells how to check it, without this software."""

CHECKING = """# 如何核验本案卷 / How to check this package

You need `openssl` (3.0 or later) and `sha256sum`. Get the court's public key **from the court** (beside the package
on the hearing's page, or `/api/court/key`), not from this package: the copy in here is for convenience only. Below it
is `court.pem`.

1. The manifest is signed by the court:

       openssl pkeyutl -verify -pubin -inkey court.pem -rawin -in manifest.json -sigfile manifest.json.sig

2. Every file is what the manifest says (`SHA256SUMS` has the same hashes, which stand in `manifest.json`, too):

       sha256sum --check --strict --quiet SHA256SUMS

3. The transcript. The hash of `transcript/revision-N.json` is what its signers signed. For each signature:

       openssl dgst -sha256 -verify ID.pem -signature ID.sig ID.statement
       sha256sum ../revision-N.json       # the last line of ID.statement

   `records/N-explanation.*` are the same for what the presiding judge says to a fault of record N.

4. The audit: each line of `audit.jsonl` holds, as `prev`, the SHA-256 of the whole line before, its newline included:

       sed -n 1p audit.jsonl | sha256sum  # is `prev` of line 2

5. The records: each folder in `records` is a record of its own, checked as its format's page says
   (docs/record-format.md of sfu has a script of openssl and sha256sum); the hash of the last line of `ledger.jsonl` is
   the integrity value that parties may have signed.
"""
