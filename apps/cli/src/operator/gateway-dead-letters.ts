import type { DeadLetters } from '#lib/bus/dead-letters/dead-letters';
import type { DeadLetterDetail, DeadLetterOrder, DeadLetterOutcome, DeadLetterPage, DeadLetterQuery } from '#lib/contracts/admin';
import { askGateway, findAtGateway, orderGateway } from './ask-gateway.js';

const PATH = '/v1/admin/dead-letters';

/** The dead letters of a Parley that keeps them inside of its process. */
export const gatewayDeadLetters: Pick<DeadLetters, 'list' | 'find' | 'replay' | 'discard'> = {
  list: (query: DeadLetterQuery) => askGateway<DeadLetterPage>(`${PATH}?${parameters(query).toString()}`, undefined),
  find: (id: string, queue?: string) =>
    findAtGateway<DeadLetterDetail>(`${PATH}/${encodeURIComponent(id)}?${parameters({ queue }).toString()}`),
  replay: (order: DeadLetterOrder) => orderGateway<DeadLetterOutcome>(`${PATH}/replay`, given(order)),
  discard: (order: DeadLetterOrder) => orderGateway<DeadLetterOutcome>(`${PATH}/discard`, given(order)),
};

function parameters(query: Readonly<Record<string, string | number | undefined>>): URLSearchParams {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value));
  return given;
}

function given(order: DeadLetterOrder): object {
  return Object.fromEntries(Object.entries(order).filter(([, value]) => value !== undefined));
}
