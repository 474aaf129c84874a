# The gateway without its sandbox's keys and without development dependencies, as a user who is not root, on a file system that may be read-only.
# Both bases are for whoever builds to pin by digest: --build-arg BUILD=node@sha256:… --build-arg BASE=gcr.io/distroless/cc-debian12@sha256:…
ARG BUILD=node:24-bookworm-slim
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Node itself is a dependency, with its integrity in the lock file: the base need not bring one.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && mv "node_modules/node-linux-$(node -p process.arch)/bin/node" /node \
  && rm -rf node_modules/node-linux-* node_modules/.bin \
  && mkdir /data

# No shell, no package manager: only glibc, certificates, Node and the gateway.
FROM ${BASE}
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 ONCEGATE_DATA=/data
WORKDIR /app
COPY --from=build /node /usr/bin/node
COPY --from=build /app /app
COPY src src
COPY adapters adapters
COPY schemas schemas
COPY config config
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s CMD ["/usr/bin/node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/usr/bin/node", "src/main.ts"]
# Production. For the sandbox: docker run … serve --sandbox
CMD ["serve"]
