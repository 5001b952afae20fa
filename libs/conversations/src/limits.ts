/** Members of one conversation: fan-out, receipts and lists are sized for it. */
export const MAX_MEMBERS = 10_000;

/** Members that a line of a user's list names; the conversation itself names all. */
export const MAX_LISTED_MEMBERS = 1_000;

/** Unread messages of one conversation are counted up to here: then it means that many or more. */
export const MAX_UNREAD = 1_000;

/** Newest messages of a conversation among which unread ones are counted: one's own are skipped, and a bot has many of them. */
export const UNREAD_WINDOW = 2_000;

/** Conversations that a search looks through. */
export const MAX_VISIBLE = 10_000;

/**
 * Conversations of a caller among which one is looked for that it shares with another user: 100 users in each are 50,000 lookups of an index, a
 * tenth of a second.
 */
export const MAX_SHARED = 500;

/**
 * Bytes of text after which a page of messages or conversations ends, in UTF-8: a page of 200 messages of 16,384 characters would be 9.8 MB,
 * and five readers of such pages would keep the others waiting. The one that crosses it is still on the page, so a page is never empty.
 */
export const MAX_PAGE_BYTES = 1_000_000;

/** The same for messages that are looked up by id, for a search: 100 candidates of 16,384 characters of ASCII fit. */
export const MAX_FOUND_BYTES = 2_000_000;
