# syntax=docker/dockerfile:1
#
#   docker build -t polyphony .
#   docker run --rm --read-only -p 127.0.0.1:7720:7720 -e POLYPHONY__AUTH__SERVER_KEYS="$(openssl rand -hex 32)" polyphony
#
# The image is the binary, its C library and nothing else: no shell, no root, one writable place (/data).

FROM rust:1.95-slim-bookworm AS build
# The image's own toolchain is the one that rust-toolchain.toml names; saying so saves fetching rustfmt and clippy.
ENV RUSTUP_TOOLCHAIN=1.95.0 \
    CARGO_PROFILE_RELEASE_STRIP=debuginfo
# Makes the list of parts (CycloneDX). Before the source, so that it is compiled once.
ARG CARGO_CYCLONEDX_VERSION=0.5.7
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --locked --root /sbom "cargo-cyclonedx@$CARGO_CYCLONEDX_VERSION"
WORKDIR /src
COPY . .
# Shown by /version.
ARG REVISION=unknown
# Downloaded crates and compiled dependencies stay in the builder's cache: a change of the source compiles only the
# server. The cache is not part of a layer, so the binary is copied out in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    POLYPHONY_COMMIT="$REVISION" cargo build --release --locked --bin polyphony \
    && cp target/release/polyphony /polyphony \
    && mkdir /data
# What it is made of, for scanners: every crate with version, licence and checksum.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    PATH="/sbom/bin:$PATH" cargo cyclonedx --format json --spec-version 1.5 --override-filename sbom \
    && mv sbom.json /sbom.cdx.json

FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="polyphony" \
      org.opencontainers.image.description="A content feed server that ranks by relevance and opens the feed: diversity, exploration, consent, explanation, audit." \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.url="https://polyphony.dev" \
      org.opencontainers.image.source="https://polyphony.dev/source" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /polyphony /polyphony
COPY --from=build /sbom.cdx.json /sbom.cdx.json
COPY LICENSE-MIT LICENSE-APACHE /licenses/
# A new volume takes the owner of the folder it covers; 65532 is the image's `nonroot`.
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
VOLUME /data
# As a setting and not as a flag, so that the health check asks the same address. Listening beyond loopback needs a key;
# without one the server says so and stops.
ENV POLYPHONY__SERVER__LISTEN=0.0.0.0:7720
EXPOSE 7720
# The binary asks itself: there is no shell and no curl to do it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/polyphony", "healthcheck"]
ENTRYPOINT ["/polyphony"]
CMD ["serve", "--data", "/data"]
