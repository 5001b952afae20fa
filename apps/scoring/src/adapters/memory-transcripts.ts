import type { ConversationEndRecord } from '#lib/scores/ends/conversation-end-store.port';
import type { Transcript } from '#lib/scores/transcript';
import { TranscriptPort } from '../transcripts/transcript.port.js';

/** Transcripts of tests, by the id of their end. */
export class MemoryTranscripts extends TranscriptPort {
  readonly transcripts = new Map<string, Transcript>();

  async of({ id }: ConversationEndRecord): Promise<Transcript | undefined> {
    return this.transcripts.get(id);
  }
}
