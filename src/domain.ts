/** The words of the gateway, as types, on one page for whoever uses them. */
export * from './domain/basics.ts';
export * from './domain/party.ts';
export * from './domain/procedure.ts';
export * from './domain/reply.ts';
export * from './domain/request.ts';
export * from './domain/source.ts';
