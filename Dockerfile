# The gateway without its sandbox's keys, without development dependencies, as a user who is not root.
FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 ONCEGATE_DATA=/data
WORKDIR /app
COPY package.json package-lock.json ./
# The image brings its own Node 24, so the packaged one stays out.
RUN npm ci --omit=dev --omit=optional && npm cache clean --force
COPY src src
COPY adapters adapters
COPY schemas schemas
COPY config config
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Production. For the sandbox: docker run … node src/main.ts serve --sandbox
CMD ["node", "src/main.ts", "serve"]
