/** `down` of every migration: the way back from a change is the next change, because rows written meanwhile must survive it. */
export const forwardOnly = async (): Promise<never> => {
  throw new Error('migrations are forward-only: write a new one');
};
