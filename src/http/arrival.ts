/** Which bodies may take longer to arrive than others: those that their route reads as they come, and watches over by itself. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const watched = new WeakSet<Socket>();

/** From here on the route cuts whoever is too slow, until the body is whole. */
export function watchArrival(request: IncomingMessage): void {
  const { socket } = request;
  watched.add(socket);
  request.once('close', () => watched.delete(socket));
}

export const isWatched = (socket: Socket): boolean => watched.has(socket);
