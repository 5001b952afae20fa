/** Members of one conversation: fan-out, receipts and lists are sized for it. */
export const MAX_MEMBERS = 10_000;

/** Members that a line of a user's list names; the conversation itself names all. */
export const MAX_LISTED_MEMBERS = 1_000;

/** Conversations that a search looks through: the newest by activity. */
export const MAX_VISIBLE = 10_000;
