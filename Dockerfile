# syntax=docker/dockerfile:1
# One image with all programs; which one runs is the command's choice.

FROM rust:1-bookworm AS builder
WORKDIR /src
# The queries were checked against a database beforehand; their results are in .sqlx.
ENV SQLX_OFFLINE=true
COPY . .
# The caches are not part of the image, so the programs are copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p holdfast -p holdfast-workers -p holdfast-simulator \
    && install -s -D -t /out target/release/holdfast target/release/holdfast-workers target/release/holdfast-simulator

FROM debian:bookworm-slim
# The payment gateway is called over TLS, which needs the usual authorities.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin holdfast
COPY --from=builder /out/ /usr/local/bin/
USER 10001:10001
ENV HOLDFAST_LISTEN=0.0.0.0:8080 HOLDFAST_WORKERS_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
# Both programs finish what is in flight on SIGTERM, which is what stopping a container sends.
CMD ["holdfast", "serve"]
