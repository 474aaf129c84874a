/** Hears what other gateways drop: a subscription that is made anew when it breaks, and knows when it was. */
import type { Cluster, Redis } from 'ioredis';
import type { Hearing } from './cache.ts';
import { connectListener, type RedisSettings } from './redis-client.ts';

/** How often it is asked whether it still hears. Milliseconds. */
const BEAT_MS = 1000;
const PAUSE_MS = 250;
/** An HMAC-SHA256 in base64url. */
const KEY = /^[\w-]{43}$/;

export interface Channel {
  readonly name: string;
  /** Who says it: nobody listens to himself. */
  readonly self: string;
}

export const messageOf = ({ self }: Channel, keys: readonly string[]): string => [self, ...keys].join('\n');

export function listen(settings: RedisSettings, commands: Redis | Cluster, channel: Channel, hearing: Hearing): { close(): void } {
  let closed = false;
  let listener: Redis | undefined;
  let again: NodeJS.Timeout | undefined;
  const later = (): void => {
    if (!closed) again = setTimeout(begin, PAUSE_MS).unref();
  };
  const begin = (): void => {
    const own = connectListener(settings, commands);
    listener = own;
    if (own === undefined) {
      later();
      return;
    }
    // While it hears nothing that it asked for, the connection is taken for broken and ends.
    const beat = setInterval(() => own.ping().catch(() => {}), BEAT_MS).unref();
    own.on('error', () => {});
    own.on('end', () => {
      clearInterval(beat);
      later();
    });
    own.on('message', (_, message) => {
      const [from, ...keys] = message.split('\n');
      if (from !== channel.self) hearing.dropped(keys.filter((key) => KEY.test(key)));
    });
    own.once('ready', () => {
      own.subscribe(channel.name).then(
        () => hearing.began(),
        () => own.disconnect(),
      );
    });
  };
  begin();
  return {
    close() {
      closed = true;
      clearTimeout(again);
      listener?.disconnect();
    },
  };
}
