/** A population register at one address that a test can break in every way a network has, and mend; it knows everybody who is asked about. */
import dns from 'node:dns';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Authority } from './certificates.ts';

export type Broken =
  | 'hang'
  | 'refuse'
  | 'reset'
  | 'status 500'
  | 'status 403'
  | 'garbage'
  | 'gigabyte'
  | 'wrong person'
  | 'slow drip'
  | 'certificate expired'
  | 'name gone';

type Found = (error: Error | null, found: string | dns.LookupAddress[], family?: number) => void;

interface Certificates {
  readonly good: ServerOptions;
  readonly expired: ServerOptions;
}

/** RFC 6761: no resolver knows it but the one of this file. */
const HOST = 'registry.invalid';
const GIGABYTE = 2 ** 30;

export class FaultyRegistry {
  /** Questions that arrived. */
  requests = 0;
  /** Connections there were at once. */
  mostConnections = 0;
  /** Bytes of answers that it got rid of since it was last told something. */
  sent = 0;
  readonly address: string;
  readonly #server: Server | SecureServer;
  readonly #port: number;
  readonly #certificates: Certificates | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #restore: () => void;
  #broken: Broken | undefined;

  private constructor(server: Server | SecureServer, certificates: Certificates | undefined) {
    this.#server = server;
    this.#certificates = certificates;
    this.#port = (server.address() as AddressInfo).port;
    this.address = `${certificates === undefined ? 'http' : 'https'}://${HOST}:${this.#port}`;
    server.on('request', this.#answer);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      this.mostConnections = Math.max(this.mostConnections, this.#sockets.size);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#restore = this.#resolve();
  }

  /** With an authority it speaks TLS. */
  static async start(authority: Authority | undefined): Promise<FaultyRegistry> {
    const issued = (days: number): ServerOptions => {
      const { certificate, key } = (authority as Authority).issue({ by: (authority as Authority).ca, names: `DNS:${HOST}`, days });
      return { cert: certificate, key };
    };
    const certificates = authority && { good: issued(2), expired: issued(-1) };
    const server = certificates === undefined ? createServer() : createSecureServer(certificates.good);
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FaultyRegistry(server, certificates);
  }

  /** From now on, for new connections alone: those that there were are broken. */
  async tell(broken: Broken | undefined): Promise<void> {
    this.#broken = broken;
    if (this.#certificates !== undefined)
      (this.#server as SecureServer).setSecureContext(
        broken === 'certificate expired' ? this.#certificates.expired : this.#certificates.good,
      );
    for (const socket of this.#sockets) socket.destroy();
    if (broken === 'refuse') await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    else if (!this.#server.listening) await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.sent = 0;
    this.mostConnections = 0;
  }

  async close(): Promise<void> {
    await this.tell('refuse');
    this.#restore();
  }

  readonly #answer: RequestListener = (request, response) => {
    this.requests++;
    let text = '';
    request.on('data', (bytes) => (text += bytes));
    request.on('end', () => this.#say(response, (JSON.parse(text) as { SoDinhDanh: string }).SoDinhDanh));
  };

  #say(response: ServerResponse, number: string): void {
    const body = (about: string): string => JSON.stringify({ MaKetQua: '00', DuLieu: { SoDinhDanh: about, HoVaTen: { KhaiSinh: 'AN' } } });
    const json = { 'content-type': 'application/json' };
    if (this.#broken === undefined) response.writeHead(200, json).end(body(number));
    if (this.#broken === 'reset')
      response.writeHead(200, { ...json, 'content-length': 1000 }).write('{"MaKetQua":', () => response.socket?.destroy());
    if (this.#broken === 'status 500' || this.#broken === 'status 403')
      response.writeHead(Number(this.#broken.slice(-3)), json).end(body(number));
    if (this.#broken === 'garbage') response.writeHead(200, json).end('{"MaKetQua":"00","DuLieu":');
    if (this.#broken === 'wrong person') response.writeHead(200, json).end(body('003099999999'));
    if (this.#broken === 'gigabyte') this.#pour(response.writeHead(200, json));
    if (this.#broken === 'slow drip') this.#drip(response.writeHead(200, json), body(number));
  }

  /** As fast as it is taken, and counted when it is. */
  #pour(response: ServerResponse): void {
    const chunk = Buffer.alloc(65_536, ' ');
    const more = (): void => {
      if (response.destroyed || this.sent >= GIGABYTE) return void response.end();
      response.write(chunk, (error) => {
        if (error) return;
        this.sent += chunk.length;
        more();
      });
    };
    more();
  }

  /** A good answer, at a byte each time: whoever waits only for the next byte waits for seconds. */
  #drip(response: ServerResponse, body: string): void {
    let at = 0;
    const timer = setInterval(() => void response.write(body.charAt(at++ % body.length)), 20);
    response.on('close', () => clearInterval(timer));
  }

  /** What the resolvers of this machine say, until the registry is closed: the name leads here, or to nothing. */
  #resolve(): () => void {
    const { lookup } = dns;
    const others = lookup as (name: string, options: dns.LookupOptions, callback: Found) => void;
    const here: typeof others = (name, options, callback) => {
      if (name !== HOST) {
        others(name, options, callback);
        return;
      }
      const gone = Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo' });
      setImmediate(() => {
        if (this.#broken === 'name gone') callback(gone, '');
        else callback(null, options.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4);
      });
    };
    dns.lookup = here as typeof dns.lookup;
    return () => {
      dns.lookup = lookup;
    };
  }
}
