import type { ChatWords } from './messages.js';
import type { Summary } from './summaries.js';

/** What a conversation is called: its title, else its other members. */
export function nameOf({ title, memberIds }: Pick<Summary, 'title' | 'memberIds'>, userId: string, words: ChatWords): string {
  if (title !== null && title !== '') return title;
  const others = memberIds.filter((member) => member !== userId);
  if (others.length === 0) return words.untitled;
  return others.length > 4 ? `${others.slice(0, 3).join(', ')} +${others.length - 3}` : others.join(', ');
}
