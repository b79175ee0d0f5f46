#!/usr/bin/env python3
"""What consent, sealing and explanations cost: the feed as shipped against the same feed without them, in turns.

  cargo build --release
  RUSTFLAGS="--cfg polyphony_unsealed" cargo build --release --target-dir target/unsealed
  benches/ceiling/rights.py [--embeddings FILE.f16.bin] [--items 100000] [--pairs 10]

With: every reader consented by the call, the profile's and the feed's records are sealed with the reader's key, each item comes with its
reasons. Without: consent is assumed and nobody was asked, the server was built without sealing, `explain=none`. Both over the same Redis, with the
same catalogue and the same opens. Needs numpy for the catalogue.
"""
import argparse
import http.client
import json
import statistics

from rig import BINARY, READERS, ROOT, Rig, following, measured, pages, teach


def consent(client):
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    decisions = json.dumps({"decisions": {"profile_create": "given", "profile_use": "given", "measure": "given"}})
    for reader in range(READERS):
        connection.request("PUT", f"/v1/users/reader-{reader}/consent", decisions, {"content-type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"consent: {answer.status} {body[:300]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--binary", default=str(BINARY))
    parser.add_argument("--unsealed", default=str(ROOT / "target/unsealed/release/polyphony"))
    arguments = parser.parse_args()
    with Rig(arguments.binary) as rig:
        rig.load(arguments.items, embeddings=arguments.embeddings)
        sealed, with_client = rig.serve("consent.default=required")
        consent(with_client)
        rig.binary, prefix = arguments.unsealed, "store.redis.key_prefix=plain"
        rig.bring(prefix)
        plain, without_client = rig.serve(prefix)
        first = pages(arguments.requests)
        bare = [f"{path}&explain=none" for path in first]
        for client in (with_client, without_client):
            teach(client, arguments.items)
            client.send(first[:READERS])
        rows = []
        for _ in range(arguments.pairs):
            row = []
            for process, client, paths in ((sealed, with_client, first), (plain, without_client, bare)):
                one, answers = measured(process, client, paths)
                two, _ = measured(process, client, following(paths, answers))
                row += [one, two]
            rows.append(row)
        is_personal = [json.loads(client.send(first[:1])[0])["personalised"] for client in (with_client, without_client)]
    if is_personal != [True, True]:
        raise SystemExit(f"not the same feeds: personalised {is_personal}")
    print(f"{arguments.requests} requests a turn, {arguments.pairs} pairs; medians\n")
    print("| | with, µs | without, µs | with ÷ without |\n|---|---|---|---|")
    for name, at in (("first page", 0), ("next page", 1)):
        column = lambda column: statistics.median(row[column] for row in rows)
        ratio = statistics.median(row[at] / row[at + 2] for row in rows)
        print(f"| {name} | {column(at):.0f} | {column(at + 2):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
