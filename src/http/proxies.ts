/** The addresses of the proxies that are believed, as the operator writes them. */
import { BlockList, isIP } from 'node:net';

/** Addresses and networks (192.0.2.0/24) with commas between. Throws an Error for what is neither. */
export function proxiesIn(list: string): BlockList {
  const proxies = new BlockList();
  for (const entry of list.split(',').map((one) => one.trim())) {
    const [address = '', bits, ...more] = entry.split('/');
    const version = isIP(address);
    const family = version === 6 ? 'ipv6' : 'ipv4';
    const most = version === 6 ? 128 : 32;
    if (version === 0 || more.length > 0 || (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > most)))
      throw new Error(`ONCEGATE_PROXIES: ${JSON.stringify(entry)} is no address and no network`);
    // Everybody would be believed.
    if (bits !== undefined && Number(bits) === 0) throw new Error(`ONCEGATE_PROXIES: ${entry} is the whole internet`);
    if (bits === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(bits), family);
  }
  return proxies;
}
