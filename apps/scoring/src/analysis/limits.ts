/** Most questions that one analysis counts, whatever a model says. */
export const MAX_QUESTIONS = 1_000;
/** Most topics of one conversation. */
export const MAX_TOPICS = 3;
