import { ProblemError } from '#lib/contracts/problems';

/** Neither a conversation of Parley that the user is in, nor one of another system that it has ended. */
export const noSuchConversation = (): ProblemError => new ProblemError('not-found', 'There is no such conversation.');
