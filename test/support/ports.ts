/** A port for a server that a test starts as a process of its own. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that the kernel gives to connections and to servers that name none: between asking and starting, nobody else is given it. */
const FIRST = 12_000;
const PORTS = 20_000;

let next = Math.floor(Math.random() * PORTS);

/** One that is free. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = FIRST + (next++ % PORTS);
    const server = createServer().listen(port, '127.0.0.1');
    const free = await Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]);
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error('no port is free');
}
