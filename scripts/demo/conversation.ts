import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UserId } from '#lib/contracts/ids';
import { Content } from '#lib/contracts/text';
import { projectRoot } from '#lib/devstack/project-root';

const Conversation = z.object({
  title: z.string(),
  messages: z.array(z.object({ sender: UserId, content: Content })).min(1),
  searches: z.array(z.object({ query: z.string(), mode: z.enum(['hybrid', 'dense', 'sparse']), shows: z.string() })),
});
/** A conversation to play, and what to search for afterwards. */
export type Conversation = z.infer<typeof Conversation>;

/** The shipped sample: four friends plan a weekend in Đà Lạt, in English and Vietnamese. Written for Parley. */
export async function sampleConversation(): Promise<Conversation> {
  const text = await readFile(join(projectRoot, 'scripts', 'demo', 'conversation.json'), 'utf8');
  return Conversation.parse(JSON.parse(text));
}
