/** A wire between a client and a server on TCP, that a test can cut, freeze and mend. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Wire {
  /** The server's address as it is through the wire. */
  readonly url: string;
  /** The server is gone: connections break, and new ones are refused. */
  cut(): Promise<void>;
  /** It takes what it is sent and answers nothing. */
  freeze(): void;
  /** Whatever comes from it comes so much later. */
  slow(milliseconds: number): void;
  /** It is back at the same address. */
  mend(): Promise<void>;
}

/** Stretches a wire to the server at `direct`, whose address names a port. */
export async function stretchWire(direct: string): Promise<Wire> {
  const { hostname, port } = new URL(direct);
  const sockets = new Set<Socket>();
  let frozen = false;
  let delayMs = 0;
  const join = (near: Socket): void => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => {
        if (frozen) return;
        if (delayMs === 0 || from === near) to.write(bytes);
        else setTimeout(() => to.writable && to.write(bytes), delayMs);
      });
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  };
  let server = await listen(join, 0);
  const address = (server.address() as AddressInfo).port;
  const url = new URL(direct);
  url.hostname = '127.0.0.1';
  url.port = String(address);
  return {
    url: url.href,
    async cut() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    freeze() {
      frozen = true;
    },
    slow(milliseconds) {
      delayMs = milliseconds;
    },
    async mend() {
      frozen = false;
      delayMs = 0;
      if (!server.listening) server = await listen(join, address);
    },
  };
}

function listen(join: (socket: Socket) => void, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(join);
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
